"""The frozen judge: images in, class guesses and features out. Knows nothing of who made the images."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from tandem.measure.quality.reference import with_channels
from tandem.shared.errors import InvalidArgument
from tandem.shared.models import Model, ModelRepository

_BATCH_SIZE = 500
_FOLDER = 'the folder of a model of kind "judge", with one file'


class Judge:
    """Runs judge.onnx; images are [N, H, W] or, in colour, [N, H, W, 3] uint8: everybody is judged on what is served.

    The file's input is image [batch, 1 or 3, H, W] in -1..1; its outputs are logits [batch, classes] and features
    [batch, F].
    """

    def __init__(self, path: Path) -> None:
        """Raises InvalidArgument if the file has other inputs and outputs."""
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        inputs, outputs = self._session.get_inputs(), {node.name for node in self._session.get_outputs()}
        shape = inputs[0].shape
        if [node.name for node in inputs] != ["image"] or len(shape) != 4 or not {"logits", "features"} <= outputs:
            accepted = "an ONNX file with input image [batch, channels, height, width] and outputs logits and features"
            raise InvalidArgument("judge", str(path), accepted)
        self.image_shape: tuple[int, int, int] = (shape[2], shape[3], shape[1])
        """Height, width, channels."""

    def classify(self, images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return (guessed labels [N], features [N, F]). Raises InvalidArgument if the images are of another shape."""
        pixels = with_channels(images)
        if pixels.shape[1:] != self.image_shape:
            accepted = f"{['number', *self.image_shape]}, as the judge takes them".replace("'", "")
            raise InvalidArgument("images", list(pixels.shape), accepted)
        guesses, features = [], []
        for start in range(0, len(images), _BATCH_SIZE):
            part = np.moveaxis(pixels[start : start + _BATCH_SIZE], 3, 1).astype(np.float32) / 127.5 - 1
            logits, part_features = self._session.run(["logits", "features"], {"image": part})
            guesses.append(logits.argmax(axis=1))
            features.append(part_features.astype(np.float64))
        return np.concatenate(guesses), np.concatenate(features)


def open_judge(folder: Path) -> tuple[Judge, Model, str]:
    """Return the judge of a folder, its entry of the model repository, and the SHA-256 of its weights, which is
    checked. Raises InvalidArgument or ModelError if the folder holds no judge, or not the one that its model.toml says.
    """
    if not (folder / "model.toml").is_file():
        raise InvalidArgument("judge", str(folder), f"{_FOLDER}; it has no model.toml")
    model = ModelRepository(folder.parent).get(folder.name)
    if model.spec.kind != "judge" or len(model.spec.files) != 1:
        raise InvalidArgument("judge", str(folder), f"{_FOLDER}; this one is of a model of kind {model.spec.kind!r}")
    model.verify_files()
    [(file, digest)] = model.spec.files.items()
    return Judge(model.path(file)), model, digest
