"""What an ONNX graph may do, looked at before onnxruntime builds it.

A graph is a program. An honest one, as ``mtmsd export`` writes it, has plain operations only,
holds all its numbers itself, and its shapes are known once the number of tiles is.
"""

from __future__ import annotations

import math

import onnx
from onnx import AttributeProto, NodeProto, TensorProto

Shapes = tuple[list[int], list[int]]

# fmt: off
OPERATIONS = frozenset((
    "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv", "Div",
    "Einsum", "Exp", "Flatten", "Gather", "Gemm", "Identity", "InstanceNormalization",
    "LayerNormalization", "Log", "MatMul", "Mul", "Neg", "ReduceMean", "ReduceSum", "Relu",
    "Reshape", "Resize", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub",
    "Transpose", "Unsqueeze",
))
# fmt: on
LARGEST_ARRAY = 2**30
"""Bytes of any array of one tile; those of the published network have a fifth of it at most."""
SMALL = 1024
"""Numbers of a weight that may say something of shapes."""
_NUMBERS: dict[int, int] = {TensorProto.FLOAT: 4, TensorProto.INT64: 8, TensorProto.DOUBLE: 8}
_PLAIN = {
    AttributeProto.FLOAT,
    AttributeProto.FLOATS,
    AttributeProto.INT,
    AttributeProto.INTS,
    AttributeProto.STRING,
    AttributeProto.TENSOR,
}


def check_graph(model: onnx.ModelProto) -> Shapes:
    """Refuse a graph that is not one of ``mtmsd export``.

    Returns
    -------
    tuple of two lists of int
        The shapes of ``tiles`` and ``votes`` for one tile.

    Raises
    ------
    ValueError
        With what is wrong with it.
    """
    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        raise ValueError("a graph with functions of its own")
    if any(entry.domain not in ("", "ai.onnx") for entry in model.opset_import):
        raise ValueError("operations that are not ONNX's own")
    names = [value.name for value in graph.input], [value.name for value in graph.output]
    if names != (["tiles"], ["votes"]):
        raise ValueError(f"inputs and outputs {str(names)[:100]}")
    for node in graph.node:
        _check_node(node)
    for tensor in graph.initializer:
        _check_tensor(tensor)
    inferred = _inferred(model).graph
    _check_sizes(inferred)
    return _shape(inferred.input[0]), _shape(inferred.output[0])


def _check_node(node: NodeProto) -> None:
    if node.op_type not in OPERATIONS or node.domain not in ("", "ai.onnx"):
        raise ValueError(f"an operation '{node.op_type[:40]}'")
    for attribute in node.attribute:
        if attribute.type not in _PLAIN or attribute.ref_attr_name:
            raise ValueError(f"an attribute '{attribute.name[:40]}' of {node.op_type}")
        if attribute.type == AttributeProto.TENSOR:
            _check_tensor(attribute.t)


def _check_tensor(tensor: TensorProto) -> None:
    """Refuse numbers that lie elsewhere, are of another kind, or are fewer than their shape."""
    name = tensor.name[:40]
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        raise ValueError(f"numbers '{name}' that lie in another file")
    if tensor.data_type not in _NUMBERS or any(size < 0 for size in tensor.dims):
        raise ValueError(f"numbers '{name}' of an unknown kind")
    given = len(tensor.raw_data) // _NUMBERS[tensor.data_type] or max(
        len(tensor.float_data), len(tensor.int64_data), len(tensor.double_data)
    )
    if math.prod(tensor.dims) != given:
        raise ValueError(f"numbers '{name}' of the shape {str(list(tensor.dims))[:100]}")


def _check_sizes(graph: onnx.GraphProto) -> None:
    """Refuse arrays of one tile that are too large, or whose size is not known beforehand."""
    known = set()
    for value in [*graph.value_info, *graph.input, *graph.output]:
        size = 8 * math.prod(_shape(value))
        if size > LARGEST_ARRAY:
            raise ValueError(f"an array '{value.name[:40]}' of {size / 1e9:.0f} GB for one tile")
        known.add(value.name)
    for name in (name for node in graph.node for name in node.output):
        if name not in known:
            raise ValueError(f"an array '{name[:40]}' of unknown shape")


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    dims = value.type.tensor_type.shape.dim
    if not all(dim.HasField("dim_value") and dim.dim_value > 0 for dim in dims):
        raise ValueError(f"an array '{value.name[:40]}' of unknown shape")
    return [dim.dim_value for dim in dims]


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """Infer all shapes for one tile; large weights are told by their shape alone."""
    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    graph = bare.graph
    graph.name = "shapes"
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph.output.extend(
        onnx.ValueInfoProto(name=value.name, type=_any_shape(value)) for value in model.graph.output
    )
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= SMALL:
            graph.initializer.append(tensor)
        else:
            graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    try:
        return onnx.shape_inference.infer_shapes(bare, True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise ValueError(str(error)) from error


def _any_shape(value: onnx.ValueInfoProto) -> onnx.TypeProto:
    kind = onnx.TypeProto()
    kind.tensor_type.elem_type = value.type.tensor_type.elem_type
    return kind
