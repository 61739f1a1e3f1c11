"""The frozen judge: images in, class guesses and features out. Knows nothing of who made the images."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

_BATCH_SIZE = 500


class Judge:
    """Runs judge.onnx; images are [N, 28, 28] uint8, so that everybody is judged on what is really served."""

    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def look(self, images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return (guessed labels [N], features [N, F])."""
        guesses, features = [], []
        for start in range(0, len(images), _BATCH_SIZE):
            part = images[start : start + _BATCH_SIZE, None].astype(np.float32) / 127.5 - 1
            logits, part_features = self._session.run(["logits", "features"], {"image": part})
            guesses.append(logits.argmax(axis=1))
            features.append(part_features.astype(np.float64))
        return np.concatenate(guesses), np.concatenate(features)
