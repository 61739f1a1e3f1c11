"""The way to tokens and back through a tiny tokenizer that paints each code's own pixels."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from services.common.images.encoding import to_uint8
from tandem.measure.quality.protocol import tokenizer_verdict
from tandem.measure.quality.reconstruction import psnr, reconstruct
from tandem.measure.results.quality import Distance, Views
from tandem.shared.models import ModelRepository
from tests.tiny_models import NUM_CODES, NUM_TOKENS, add_image_model, painted


def painted_images() -> npt.NDArray[np.uint8]:
    """Return three images that the tiny tokenizer holds without loss."""
    codes = np.random.default_rng(0).integers(0, NUM_CODES, (3, NUM_TOKENS))
    return to_uint8(np.stack([painted(row.tolist()) for row in codes]), (-1.0, 1.0))[..., 0]


def test_what_the_tokens_hold_comes_back_and_the_rest_does_not(tmp_path: Path) -> None:
    add_image_model(tmp_path)
    images = painted_images()
    model = ModelRepository(tmp_path).get("tiny-image")
    assert np.array_equal(reconstruct(model, images), images)
    changed = images.copy()
    changed[:, 3, 3] ^= 255  # not one of the pixels that tell the code
    assert np.array_equal(reconstruct(model, changed), images)


def test_a_model_without_encoder_has_no_way_back(tmp_path: Path) -> None:
    add_image_model(tmp_path, has_encoder=False)
    assert reconstruct(ModelRepository(tmp_path).get("tiny-image"), np.zeros((1, 28, 28), np.uint8)) is None


def test_a_lossless_tokenizer_has_no_signal_to_noise_ratio() -> None:
    images, one = painted_images(), Distance(value=1.0, count=3, of_these=1.0, tenths=())
    views = Views(judge=one, pixels=one, gradients=one)
    assert tokenizer_verdict(images, images, views) == {"reconstruction_fid": 1.0}
    changed = images ^ np.uint8(1)
    assert tokenizer_verdict(images, changed, views).keys() == {"reconstruction_fid", "reconstruction_psnr"}


def test_psnr() -> None:
    images = np.full((2, 4, 4), 100, np.uint8)
    assert psnr(images, images) == float("inf")
    assert psnr(images, images + np.uint8(10)) == pytest.approx(28.13, abs=0.01)
    assert psnr(images + np.uint8(10), images) == pytest.approx(28.13, abs=0.01)
