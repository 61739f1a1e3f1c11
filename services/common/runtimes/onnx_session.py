"""ONNX Runtime: which providers to ask for on this machine, and a model opened with the one that really runs it.

The only file of the server that imports onnxruntime, and only once it is needed: a backend of text alone never does,
which saves it 19 MB. Knows nothing of latents or images.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.common.runtimes.configuration import ProviderChoice
from services.common.runtimes.session import Array, Feed
from tandem.shared.errors import ExpectedError
from tandem.shared.models import ModelError

if TYPE_CHECKING:
    import onnxruntime

logger = logging.getLogger(__name__)

ERRORS_ONLY = 3

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


def wanted_providers(choice: ProviderChoice, available: Sequence[str], num_cuda_devices: int) -> list[Provider]:
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


class OnnxSession:
    """One instance of a model; `run` may be called from any thread, one at a time."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.inputs = session.get_inputs()
        self.outputs = session.get_outputs()
        self.providers: list[str] = session.get_providers()

    def run(self, feed: Feed, output_names: list[str]) -> list[Array]:
        """Return the outputs. Raises ModelError if the model fails, as one does whose graph holds its batch size."""
        try:
            return self._session.run(output_names, dict(feed))  # type: ignore[no-any-return]
        except Exception as error:  # the library's own classes have no base in common
            given = ", ".join(f"{name} {list(value.shape)}" for name, value in feed.items())
            raise ModelError(f"fails on {given}: {str(error).splitlines()[0]}") from error


def choose_providers(choice: ProviderChoice) -> list[Provider]:
    """Return the providers to ask for on this machine. Raises ProviderError."""
    import onnxruntime

    num_devices = 0 if choice == "cpu" else num_cuda_devices()
    wanted = wanted_providers(choice, onnxruntime.get_available_providers(), num_devices)
    if wanted != [CPU]:
        # The CUDA libraries may lie in Python packages, where the loader does not look.
        onnxruntime.preload_dlls()
        logger.info("asking onnxruntime for %s", ", ".join(name for name, _ in wanted))
    return wanted


def open_session(
    path: Path, choice: ProviderChoice = "cpu", num_threads: int = 1, content: bytes | None = None
) -> OnnxSession:
    """Open an ONNX file, or `content` in its place: the model of that file as it was read and perhaps rewritten.

    Raises ModelError if it is none, ProviderError if a provider asked for by name is not got.
    """
    import onnxruntime

    providers = choose_providers(choice)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    # Patterns keep a block of memory for each batch size beside the arena: half as much again for a large generator,
    # and no faster.
    options.enable_mem_pattern = False
    # Threads that spin while they wait take the core from the other instances.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = OnnxSession(onnxruntime.InferenceSession(content or path, options, providers=providers))
    except Exception as error:
        raise ModelError(f"{path}: not a usable ONNX file: {str(error).splitlines()[0]}") from None
    _check_provider(session.providers, providers[0][0], choice)
    return session


def _check_provider(got: list[str], wanted: str, choice: ProviderChoice) -> None:
    if wanted in got:
        return
    message = f"{wanted} could not be started; onnxruntime fell back to {', '.join(got)}, its log above says why"
    if choice != "auto":
        raise ProviderError(f"provider: {message}")
    logger.warning(message)


def version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)
