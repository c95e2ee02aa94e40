"""A device that is not here: it computes as the processor does, and refuses what a real one does.

torch's ``meta`` device lends its name. A tensor on it holds one of the processor's, with which
every operation is done; what an Apple GPU or a CUDA card does not take raises as there.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DEVICE = torch.device("meta")


class OnDevice(Tensor):
    """A tensor of the stand-in; ``held`` is what it holds."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        made = Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), dtype=held.dtype, device=DEVICE
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError("a tensor of the stand-in outside of it")


class StandIn(TorchDispatchMode):
    """Inside of it ``meta`` is a device that computes.

    Attributes
    ----------
    uploads : Counter
        How often a tensor of each shape was copied from the processor to the device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.uploads: Counter[tuple[int, ...]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        flat: list[Any] = []
        tree_map(flat.append, (args, kwargs))
        tensors = [given for given in flat if isinstance(given, Tensor)]
        here = [given for given in tensors if isinstance(given, OnDevice)]
        target = kwargs.pop("device", None)
        name = func.overloadpacket.__name__
        if here and len(here) < len(tensors):
            strangers = [t for t in tensors if not isinstance(t, OnDevice)]
            if name != "copy_" and ("fused" in name or any(t.ndim for t in strangers)):
                raise RuntimeError(f"{name}: Expected all tensors to be on the same device")
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        bare_args, bare_kwargs = tree_map(
            lambda given: given.held if isinstance(given, OnDevice) else given, (args, kwargs)
        )
        done = func(*bare_args, **bare_kwargs)
        placed = torch.device(target) if target is not None else (DEVICE if here else None)
        if name == "copy_" and here:
            return args[0]
        if placed != DEVICE or name in ("_local_scalar_dense", "equal"):
            return done
        if target is not None and tensors and not here:
            self.uploads[tuple(tensors[0].shape)] += 1
        return tree_map(lambda out: self._wrapped(out, args), done)

    @staticmethod
    def _wrapped(out: Any, args: Any) -> Any:
        if not isinstance(out, Tensor):
            return out
        if out.dtype == torch.float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't "
                "support float64. Please use float32 instead."
            )
        for given in args:  # what is changed in place stays the same tensor
            if isinstance(given, OnDevice) and given.held is out:
                return given
        return OnDevice(out)
