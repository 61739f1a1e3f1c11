"""Which execution providers to ask ONNX Runtime for, and whether this machine can have them. Does not import it."""

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, Literal

from tandem.shared.errors import ExpectedError

Choice = Literal["auto", "cpu", "cuda", "tensorrt"]
Provider = tuple[str, dict[str, Any]]

CPU: Provider = ("CPUExecutionProvider", {})
CUDA: Provider = (
    "CUDAExecutionProvider",
    # The exhaustive search costs seconds for each new batch size; the arena would double at each extension.
    {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"},
)
TENSORRT: Provider = ("TensorrtExecutionProvider", {})


class ProviderError(ExpectedError):
    """Expected error: the execution provider that was asked for cannot be had; the operator must choose another."""


def wanted_providers(choice: Choice, available: Sequence[str], num_cuda_devices: int) -> list[Provider]:
    """Return the providers to open a session with, best first; the CPU is always the last.

    `available` is what ONNX Runtime was built with. Raises ProviderError for a choice that this machine cannot have.
    """
    if choice == "cpu":
        return [CPU]
    names = [name for name, _ in (TENSORRT, CUDA) if choice == "tensorrt" or name == CUDA[0]]
    missing = [name for name in names if name not in available]
    if choice == "auto":
        return [CPU] if missing or not num_cuda_devices else [CUDA, CPU]
    if missing:
        raise ProviderError(f"provider: {choice!r} needs {', '.join(missing)}; onnxruntime has {', '.join(available)}")
    if not num_cuda_devices:
        raise ProviderError(f"provider: {choice!r} was asked for, but there is no NVIDIA driver or no device")
    return [TENSORRT, CUDA, CPU] if choice == "tensorrt" else [CUDA, CPU]


def num_cuda_devices() -> int:
    """Return how many devices the NVIDIA driver sees; 0 without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
