"""The generator of the Python-hosted peers: one ONNX Runtime session of one thread; latents in, bytes out.

Needs only numpy and ONNX Runtime, for it also runs in the peers' own environments.
"""

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
    """Opens the generator's file on the CPU."""

    def __init__(self, path: Path | str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def draw(self, latents: Floats, labels: Labels) -> Levels:
        """Return images [N, 28, 28, 1] of latents [N, 64] and classes [N], as levels of 0 to 255."""
        (images,) = self._session.run(["image"], {"latent": latents, "label": labels})  # [N, 1, 28, 28] in -1..1
        levels = np.clip((images + 1) * 127.5, 0, 255).round().astype(np.uint8)
        return np.asarray(levels.reshape(-1, 28, 28, 1))
