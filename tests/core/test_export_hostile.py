"""Exported classifiers that were damaged, or written to do harm: one sentence, nothing is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.mapping.runtimes import runtime_on
from mtmsd.onnx.classifier import load_classifier
from mtmsd.onnx.file import save_graph
from onnx import TensorProto, helper, numpy_helper

pytestmark = pytest.mark.slow

Change = Callable[[onnx.ModelProto, dict], None]


@pytest.fixture(scope="module")
def onnx_file(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "classifier.onnx"
    assert main(["export", str(trained / "classifier.safetensors"), "-o", str(path)]) == 0
    return path


def signed(source: Path, target: Path, change: Change) -> None:
    """Write a changed copy with a right checksum."""
    model = onnx.load(source, load_external_data=False)
    metadata = json.loads({p.key: p.value for p in model.metadata_props}["mtmsd"])
    change(model, metadata)
    save_graph(target, model, {}, metadata)


def test_a_hundred_flipped_bytes_and_thirty_cuts(onnx_file: Path, tmp_path: Path):
    whole = onnx_file.read_bytes()
    broken = tmp_path / "broken.onnx"
    rng = np.random.default_rng(5)
    for place in rng.integers(0, len(whole), 100):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        broken.write_bytes(damaged)
        with pytest.raises(InputError, match=r"broken\.onnx is"):
            load_classifier(broken)
    for length in rng.integers(0, len(whole), 30):
        broken.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"broken\.onnx is (not a model file|damaged)"):
            load_classifier(broken)


def node(kind: str, inputs: list[str], **attributes: Any) -> Change:
    """Add an operation."""

    def change(model: onnx.ModelProto, metadata: dict) -> None:
        model.graph.node.append(helper.make_node(kind, inputs, ["hostile"], **attributes))

    return change


def numbers(name: str, values: np.ndarray) -> Change:
    """Add a weight."""

    def change(model: onnx.ModelProto, metadata: dict) -> None:
        kept = [t for t in model.graph.initializer if t.name != name]
        del model.graph.initializer[:]
        model.graph.initializer.extend([*kept, numpy_helper.from_array(values, name)])

    return change


def enlarged(factor: int) -> Change:
    """Blow the tiles up."""

    def change(model: onnx.ModelProto, metadata: dict) -> None:
        scales = np.array([1, 1, factor, factor], np.float32)
        numbers("scales", scales)(model, metadata)
        node("Resize", ["tiles", "", "scales"], mode="nearest")(model, metadata)

    return change


def elsewhere(model: onnx.ModelProto, metadata: dict) -> None:
    """Let the first weight lie in another file."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")


def elsewhere_in_a_constant(model: onnx.ModelProto, metadata: dict) -> None:
    """Let the number of a constant lie in another file."""
    constant = next(n for n in model.graph.node if n.op_type == "Constant")
    tensor = constant.attribute[0].t
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def huge_weight(model: onnx.ModelProto, metadata: dict) -> None:
    """State a shape of a petabyte with a few numbers."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "huge")
    tensor.dims[:] = [2**48]
    model.graph.initializer.append(tensor)


def branches(model: onnx.ModelProto, metadata: dict) -> None:
    """Add a graph inside the graph."""
    inner = helper.make_graph([], "inner", [], [])
    node("If", ["tiles"], then_branch=inner, else_branch=inner)(model, metadata)


def inner_graph_of_an_ordinary_operation(model: onnx.ModelProto, metadata: dict) -> None:
    """Hide a graph in an operation that is allowed."""
    node("Relu", ["tiles"], body=helper.make_graph([], "inner", [], []))(model, metadata)


def own_functions(model: onnx.ModelProto, metadata: dict) -> None:
    """Redefine an operation."""
    opset = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [], opset))


def another_output(model: onnx.ModelProto, metadata: dict) -> None:
    """Name the output otherwise."""
    model.graph.output[0].name = "probabilities"


def other_domain(model: onnx.ModelProto, metadata: dict) -> None:
    """Use operations of somebody else."""
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def stated(place: str, value: Any) -> Change:
    """Change one entry of the metadata."""

    def change(model: onnx.ModelProto, metadata: dict) -> None:
        *path, last = place.split(".")
        for key in path:
            metadata = metadata[key]
        metadata[last] = value

    return change


HOSTILE = {
    "weights in another file": elsewhere,
    "a constant in another file": elsewhere_in_a_constant,
    "a weight of a petabyte": huge_weight,
    "tiles blown up": enlarged(100_000),
    "an array of unknown size": node("ConstantOfShape", ["tiles"]),
    "a loop": branches,
    "a graph in an ordinary operation": inner_graph_of_an_ordinary_operation,
    "functions of its own": own_functions,
    "operations of another domain": other_domain,
    "an operation of another domain": node("Relu", ["tiles"], domain="com.microsoft"),
    "an input that is not there": node("Relu", ["nowhere"]),
    "another output": another_output,
    "weights of texts": numbers("texts", np.array(["a", "b"], object)),
    "a whitening of other bands": numbers("whitening.mean", np.zeros(7, np.float32)),
    "a stride of nothing": stated("settings.stride", 0),
    "a billion members": stated("settings.members", 10**9),
    "more members than there are": stated("settings.vote", "mode"),
    "tiles of another size": stated("model.patch_size", 48),
    "patches of a million pixels": stated("model.patch_size", 10**6),
    "other features": stated("settings.features", "patchwise"),
    "a width of words": stated("width", "wide"),
    "a width of minus one": stated("width", -1),
    "a class more": stated("classes", [{"value": 1, "name": "x", "color": "#000000"}]),
    "settings that are a list": stated("settings", [1]),
    "a temperature of words": stated("metadata.temperature", "hot"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_graph_with_a_right_checksum_is_refused(
    kind: str, onnx_file: Path, tmp_path: Path
):
    path = tmp_path / "hostile.onnx"
    signed(onnx_file, path, HOSTILE[kind])
    if kind == "more members than there are":
        signed(path, path, stated("settings.members", 3))
    with pytest.raises(InputError) as caught:
        load_classifier(path)
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_copy_that_nobody_harmed_is_read(onnx_file: Path, tmp_path: Path):
    signed(onnx_file, tmp_path / "copy.onnx", lambda model, metadata: None)
    assert runtime_on(load_classifier(tmp_path / "copy.onnx"), "cpu").kind == "cpu"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not a model file of MTMSD"),
        (b"\x80\x04\x95pickle", "is not a model file of MTMSD"),
        (None, "There is no file"),
    ],
)
def test_what_is_no_exported_classifier_is_told(content, sentence: str, tmp_path: Path):
    path = tmp_path / "other.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        load_classifier(path)


def test_an_honest_network_of_another_program_is_told(tmp_path: Path):
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in "ab"]
    graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(InputError, match="is not a model file of MTMSD"):
        load_classifier(tmp_path / "other.onnx")


def test_a_hostile_file_ends_classify_with_status_1(
    trained: Path, onnx_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "hostile.onnx"
    signed(onnx_file, path, elsewhere)
    line = ["classify", trained / "scene.tif", "-o", tmp_path / "map.tif", "--classifier", path]
    assert main([str(word) for word in line]) == 1
    told = capsys.readouterr().err
    assert f"Error: The parts of {path} do not fit together" in told
    assert "that lie in another file" in told
    assert "Traceback" not in told
    assert [p.name for p in tmp_path.iterdir()] == ["hostile.onnx"]
