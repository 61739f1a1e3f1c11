"""The generator of the Python-hosted peers: one session of one thread; latents in, bytes out.

Needs only numpy and the runtime, for it also runs in the peers' own environments.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

MAX_BATCH_SIZE = 64
LATENT_DIM = 64
NUM_CLASSES = 10

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Levels = npt.NDArray[np.uint8]


class Generator:
    """Opens the generator's file on the CPU: in ONNX Runtime, or in OpenVINO for passes of up to `max_batch` images."""

    def __init__(self, path: Path | str, max_batch: int = 0) -> None:
        self._run = _in_openvino(path, max_batch) if max_batch else _in_onnxruntime(path)

    def draw(self, latents: Floats, labels: Labels) -> Levels:
        """Return images [N, 28, 28, 1] of latents [N, 64] and classes [N], as levels of 0 to 255."""
        images = self._run(latents, labels)  # [N, 1, 28, 28] in -1..1
        levels = np.clip((images + 1) * 127.5, 0, 255).round().astype(np.uint8)
        return np.asarray(levels.reshape(-1, 28, 28, 1))


def _in_onnxruntime(path: Path | str) -> Callable[[Floats, Labels], Floats]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda latents, labels: np.asarray(session.run(["image"], {"latent": latents, "label": labels})[0])


def _in_openvino(path: Path | str, max_batch: int) -> Callable[[Floats, Labels], Floats]:
    """Compile the file for the powers of 2 up to `max_batch`: OpenVINO is slow with shapes that it does not know."""
    import openvino  # here alone: not every peer's environment has it

    core, requests = openvino.Core(), {}
    size = 1
    while size <= max_batch:
        model = core.read_model(path)
        model.reshape({"latent": [size, LATENT_DIM], "label": [size]})
        settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
        requests[size] = core.compile_model(model, "CPU", settings).create_infer_request()
        size *= 2

    def run(latents: Floats, labels: Labels) -> Floats:
        count = len(latents)
        size = next(known for known in requests if known >= count)
        padded = np.zeros((size, LATENT_DIM), np.float32), np.zeros(size, np.int64)
        padded[0][:count], padded[1][:count] = latents, labels
        results = requests[size].infer({"latent": padded[0], "label": padded[1]})
        return np.array(results["image"][:count])

    return run
