"""From a trained classifier to ONNX, traced from the very code that maps with torch."""

from __future__ import annotations

import dataclasses
import io
import warnings
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from torch import Tensor, nn

from mtmsd.classify.classifier import Classifier
from mtmsd.errors import InputError
from mtmsd.onnx.file import LARGEST, STACK_PREFIX, save_graph
from mtmsd.reporting import Reporter
from mtmsd.stack.classifier import StackClassifier

OPSET = 18


class _Votes(nn.Module):
    """A classifier in float32 as one module: tiles to votes, disagreement after the classes."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        settings = dataclasses.replace(classifier.settings, precision="fp32", layout="contiguous")
        self._classifier = dataclasses.replace(classifier, settings=settings)
        self.backbone = classifier.model.backbone  # registered, so that their weights get names
        self.members = nn.ModuleList(classifier.members)

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, C, S, S) -> (V, N, P, K), or (V, N, P, K + 1) of several members."""
        return self._classifier.votes(tiles, compare=len(self.members) > 1)


def export(classifier: Classifier | StackClassifier, path: Path, reporter: Reporter) -> None:
    """Write a classifier as ONNX, with all that its classifier file says.

    The graph is the diffusion network's; what a stack has beside it are arrays that it does not
    use.

    Raises
    ------
    InputError
        If it is larger than an ONNX file can be.
    """
    network = cast(Classifier, classifier.diffusion_network)
    votes = _Votes(network).to(torch.device("cpu")).eval()
    size = sum(4 * tensor.numel() for tensor in votes.state_dict().values())
    if size > LARGEST:
        raise InputError(
            f"The classifier has {size / 1e9:.1f} GB of weights; an ONNX file can hold "
            f"{LARGEST / 1e9:.1f}.",
            hint="Train one of less width, channels or members.",
        )
    arrays = network.model.whitening.arrays()
    metadata: dict[str, Any] = {**network.header(), "width": network.model.width}
    if beside := classifier.beside_network():
        arrays |= {STACK_PREFIX + name: array for name, array in beside[0].items()}
        metadata["stack"] = beside[1]
    model = _traced(votes, network)
    reporter.check_canceled()
    save_graph(path, model, arrays, metadata)


def _traced(votes: _Votes, classifier: Classifier) -> onnx.ModelProto:
    side = classifier.model.patch_size
    tiles = torch.zeros(2, classifier.model.whitening.components, side, side)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of shapes that are the same for all tiles
        torch.onnx.export(
            votes,
            (tiles,),
            buffer,  # type: ignore[arg-type]
            input_names=["tiles"],
            output_names=["votes"],
            dynamic_axes={"tiles": {0: "tiles"}, "votes": {1: "tiles"}},
            opset_version=OPSET,
            dynamo=False,  # by TorchScript: the other exporter needs three packages more
        )
    return onnx.load_model_from_string(buffer.getvalue())
