"""What the tokenizer of a sequential image model loses: images to tokens and back, by the files that serve."""

import numpy as np
import numpy.typing as npt

from services.ar.codecs.token_decoder import TokenDecoder
from services.ar.codecs.token_encoder import TokenEncoder
from services.common.images.encoding import from_uint8, to_uint8
from services.common.runtimes.onnx_session import OnnxSession, choose_providers, open_session
from tandem.measure.quality.reference import with_channels, without_grey_axis
from tandem.shared.models import Model

Pixels = npt.NDArray[np.uint8]

_BATCH_SIZE = 500


def reconstructed(model: Model, images: Pixels) -> Pixels | None:
    """Return images as the model's tokenizer gives them back; None if the model has no encoder."""
    image, tokens = model.spec.image, model.spec.image_tokens
    if image is None or tokens is None or tokens.encoder is None:
        return None
    encoder = TokenEncoder(_session(model, tokens.encoder), image, tokens)
    decoder = TokenDecoder(_session(model, tokens.decoder), image, tokens)
    restored = []
    for start in range(0, len(images), _BATCH_SIZE):
        part = from_uint8(with_channels(images[start : start + _BATCH_SIZE]), image.value_range)
        restored.append(to_uint8(decoder.decode(encoder.encode(part)), image.value_range))
    return without_grey_axis(np.concatenate(restored))


def psnr(images: Pixels, others: Pixels) -> float:
    """Return the peak signal-to-noise ratio of all images together, in decibels."""
    mean_square = np.square(images.astype(np.float64) - others).mean()
    return float(10 * np.log10(255**2 / mean_square)) if mean_square else float("inf")


def _session(model: Model, file: str) -> OnnxSession:
    return open_session(model.path(file), choose_providers("cpu"), 1, "cpu")
