"""Memory that runs out is recognised whoever says it, and nothing else is taken for it."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch
from mtmsd.compute.memory import is_out_of_memory, ran_out_of
from mtmsd.errors import InputError
from mtmsd.jobs.failures import explain

DEVICE = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total of"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA driver error: out of memory"),
    RuntimeError("HIP out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. Reason: out of memory for workspace"),
    RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.9 GB, other allocations: 1.3 GB)"),
    RuntimeError("Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"),
    RuntimeError("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 2: out of memory ; GPU=0"),
]
MACHINE = [
    MemoryError(),
    MemoryError("std::bad_alloc"),
    MemoryError("Unable to allocate 7.28 TiB for an array with shape (1000000000, 1000)"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    OSError(errno.ENOMEM, "Cannot allocate memory", "/data/scene.tif"),
    OSError("[WinError 1455] The paging file is too small for this operation to complete."),
    OSError("[WinError 1455] Die Auslagerungsdatei ist zu klein, um diesen Vorgang durchzuführen"),
    OSError("[WinError 8] Not enough memory resources are available to process this command"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 8000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError(
        "[enforce fail at ..\\c10\\core\\impl\\alloc_cpu.cpp:72] data. DefaultCPUAllocator: "
        "not enough memory: you tried to allocate 1280000 bytes."
    ),
    RuntimeError("unable to mmap 1024 bytes from file </model>: Cannot allocate memory (12)"),
    RuntimeError(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bfc_arena.cc:376 onnxruntime::BFCArena::"
        "AllocateRawInternal Failed to allocate memory for requested buffer of size 4294967296"
    ),
    RuntimeError("bad allocation"),
    Exception("Out of memory allocating 4000000000 bytes."),
]
OTHER = [
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("required rank 4 tensor to use channels_last format (memory format)"),
    RuntimeError("Pin memory thread exited unexpectedly"),
    RuntimeError("index 5 is out of bounds for dimension 0 with size 5"),
    RuntimeError("access out of memory bounds of the tensor"),
    TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support"),
    ValueError("'out of memory' is not a number"),
    KeyError("out of memory"),
    InputError("There is no file '/data/not enough memory.tif'."),
    FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/out of memory.tif"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError("[WinError 80] The file exists"),
    OSError("[WinError 112] There is not enough space on the disk"),
    KeyboardInterrupt(),
]


def named(error: BaseException) -> str:
    return f"{type(error).__name__} {error}"[:60]


@pytest.mark.parametrize("error", DEVICE, ids=named)
def test_memory_of_a_device_that_ran_out(error: BaseException) -> None:
    assert ran_out_of(error) == "device"
    known = explain(error)
    assert (known.code, known.exit_status) == ("no-memory", 4)
    assert known.message == "The device has not enough memory for this job."
    assert "--device cpu" in known.hint


@pytest.mark.parametrize("error", MACHINE, ids=named)
def test_memory_of_the_machine_that_ran_out(error: BaseException) -> None:
    assert ran_out_of(error) == "machine"
    known = explain(error)
    assert (known.code, known.exit_status) == ("no-memory", 4)
    assert known.message == "The machine has not enough memory for this job."


@pytest.mark.parametrize("error", OTHER, ids=named)
def test_what_else_may_happen_is_not_taken_for_it(error: BaseException) -> None:
    assert not is_out_of_memory(error)
    known = explain(error)
    assert known is None or known.code != "no-memory"


def test_real_allocations_that_fail() -> None:
    """What this machine's own libraries say."""
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(2**46)
    with pytest.raises(MemoryError) as of_numpy:
        np.zeros(2**46)
    assert ran_out_of(of_torch.value) == ran_out_of(of_numpy.value) == "machine"
