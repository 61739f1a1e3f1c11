"""What the tokenizer of a sequential image model loses: images to tokens and back, by the files that serve."""

import numpy as np
import numpy.typing as npt
import onnxruntime

from tandem.measure.quality.reference import with_channels, without_grey_axis
from tandem.shared.models import Model

Pixels = npt.NDArray[np.uint8]

_BATCH_SIZE = 500
_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


def reconstruct(model: Model, images: Pixels) -> Pixels | None:
    """Return images as the model's tokenizer gives them back; None if the model has no encoder."""
    image, tokens = model.spec.image, model.spec.image_tokens
    if image is None or tokens is None or tokens.encoder is None:
        return None
    encoder, decoder = (
        onnxruntime.InferenceSession(model.path(file), providers=["CPUExecutionProvider"])
        for file in (tokens.encoder, tokens.decoder)
    )
    (shown,), (coded,) = encoder.get_inputs(), decoder.get_inputs()
    low, high = image.value_range
    width = np.float32((high - low) / 255.0)
    restored = []
    for start in range(0, len(images), _BATCH_SIZE):
        part = with_channels(images[start : start + _BATCH_SIZE]).astype(np.float32) * width + np.float32(low)
        if tuple(shown.shape[1:]) != image.shape:
            part = np.ascontiguousarray(np.moveaxis(part, 3, 1))
        [codes] = encoder.run(None, {shown.name: part})[:1]
        [found] = decoder.run(None, {coded.name: codes.astype(_INTEGERS[coded.type])})[:1]
        found = found if found.shape[1:] == image.shape else np.moveaxis(found, 1, 3)
        restored.append(
            np.clip(np.rint((found - np.float32(low)) * np.float32(255.0 / (high - low))), 0, 255).astype(np.uint8)
        )
    return without_grey_axis(np.concatenate(restored))


def psnr(images: Pixels, others: Pixels) -> float:
    """Return the peak signal-to-noise ratio of all images together, in decibels."""
    mean_square = np.square(images.astype(np.float64) - others).mean()
    return float(10 * np.log10(255**2 / mean_square)) if mean_square else float("inf")
