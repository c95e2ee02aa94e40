"""Checkpoints of pretraining: the last two are kept, each whole or not there."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.diffusion.backbone import Backbone
from mtmsd.errors import InputError
from mtmsd.files.tensor_file import load_tensors, save_tensors

KIND = "checkpoint"
KEPT = 2
LONGEST_LOSS_S = 300.0


class Checkpoints:
    """The checkpoints of one pretraining in a folder of their own.

    Parameters
    ----------
    folder : Path
    belongs_to : mapping
        JSON-able: scene, settings and seed. A checkpoint of anything else is refused.
    """

    def __init__(self, folder: Path, belongs_to: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        text = json.dumps(belongs_to, sort_keys=True)
        self._identity = hashlib.sha256(text.encode()).hexdigest()
        self._written = time.monotonic()

    def due(self, step: int, every: int) -> bool:
        """Whether to write one: after so many steps, or five minutes, whichever is first."""
        return step % every == 0 or time.monotonic() - self._written > LONGEST_LOSS_S

    def write(
        self,
        step: int,
        backbone: Backbone,
        averaged: Mapping[str, Tensor],
        optimizer: torch.optim.Optimizer,
        form: Arithmetic,
    ) -> None:
        """Keep everything needed to go on after ``step`` optimiser steps."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"backbone.{n}": t for n, t in backbone.state_dict().items()}
        tensors |= {f"averaged.{n}": t for n, t in averaged.items()}
        for name, parameter in backbone.named_parameters():
            for key, value in optimizer.state[parameter].items():
                tensors[f"optimizer.{name}.{key}"] = value
        path = self.folder / f"step-{step:08d}.safetensors"
        save_tensors(
            path, KIND, tensors, {"step": step, "identity": self._identity, **asdict(form)}
        )
        for old in self._files()[:-KEPT]:
            old.unlink()
        self._written = time.monotonic()

    def arithmetic(self) -> Arithmetic | None:
        """Return that of the newest readable checkpoint, None without one; raises as restore."""
        for _, metadata in self._readable():
            return Arithmetic(metadata["precision"], metadata["layout"])
        return None

    def restore(
        self, backbone: Backbone, averaged: dict[str, Tensor], optimizer: torch.optim.Optimizer
    ) -> int:
        """Load the newest readable checkpoint; the number of steps done, 0 if there is none.

        Raises
        ------
        InputError
            If the checkpoints are of another scene, seed or setting.
        """
        for tensors, metadata in self._readable():
            backbone.load_state_dict(_below("backbone.", tensors))
            for name, value in _below("averaged.", tensors).items():
                averaged[name].copy_(value)
            for name, parameter in backbone.named_parameters():
                state = _below(f"optimizer.{name}.", tensors)
                # all on the device, its counter of steps too, and laid out as the parameter is:
                # Adam in one pass takes nothing else
                optimizer.state[parameter] = {
                    key: value.to(parameter.device)
                    if key == "step"
                    else torch.empty_like(parameter, requires_grad=False).copy_(value)
                    for key, value in state.items()
                }
            return int(metadata["step"])
        return 0

    def remove(self) -> None:
        """Delete the folder, once the model file is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _readable(self) -> Iterator[tuple[dict[str, Tensor], dict[str, Any]]]:
        """Tensors and metadata, the newest first; what is damaged is why two are kept."""
        for path in reversed(self._files()):
            try:
                tensors, metadata = load_tensors(path, KIND)
            except InputError:
                continue
            if metadata["identity"] != self._identity:
                raise InputError(
                    f"The checkpoints in {self.folder} are of another scene, seed or setting.",
                    hint="Start without resuming, or delete that folder.",
                )
            yield tensors, metadata

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.safetensors"))


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
