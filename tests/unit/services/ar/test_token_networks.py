"""The token decoder and encoder on tiny ONNX models: layouts found, misfits told."""

from pathlib import Path

import numpy as np
import pytest

from runtime.models import ImageSpec, ImageTokensSpec, ModelError
from services.ar.token_decoder import TokenDecoder
from services.ar.token_encoder import TokenEncoder
from services.common.onnx_session import OnnxSession, choose_providers, open_session
from tests.tiny_models import NUM_CODES, NUM_TOKENS, painted, write_token_decoder, write_token_encoder

IMAGE = ImageSpec(shape=(28, 28, 1))
TOKENS = ImageTokensSpec(grid=(7, 7), num_codes=NUM_CODES, first_class_token=NUM_CODES, decoder="d.onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    write_token_decoder(folder / "decoder.onnx")
    write_token_encoder(folder / "encoder.onnx")
    return folder


def session(path: Path) -> OnnxSession:
    return open_session(path, choose_providers("cpu"), 1, "cpu")


def random_tokens(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, NUM_CODES, (count, NUM_TOKENS))


def test_tokens_become_images_and_images_tokens(folder):
    tokens = random_tokens(20)
    images = TokenDecoder(session(folder / "decoder.onnx"), IMAGE, TOKENS).decode(tokens)
    assert (images == np.stack([painted(row) for row in tokens])).all()
    assert (TokenEncoder(session(folder / "encoder.onnx"), IMAGE, TOKENS).encode(images) == tokens).all()


def test_every_code_is_told_from_every_other(folder):
    tokens = np.arange(NUM_CODES).repeat(NUM_TOKENS).reshape(NUM_CODES, NUM_TOKENS)
    images = TokenDecoder(session(folder / "decoder.onnx"), IMAGE, TOKENS).decode(tokens)
    assert (TokenEncoder(session(folder / "encoder.onnx"), IMAGE, TOKENS).encode(images) == tokens).all()


@pytest.mark.parametrize(
    ("image", "tokens", "message"),
    [
        (IMAGE, {"grid": (7, 4)}, r"expected one input, integer \[batch, 28\], found tokens: tensor\(int64\)"),
        (ImageSpec(shape=(14, 14, 1)), {}, r"expected images \[batch, 1, 14, 14\]"),
    ],
)
def test_a_decoder_that_does_not_fit(folder, image, tokens, message):
    with pytest.raises(ModelError, match=message):
        TokenDecoder(session(folder / "decoder.onnx"), image, TOKENS.model_copy(update=tokens))
    with pytest.raises(ModelError, match="expected one input"):
        TokenDecoder(session(folder / "encoder.onnx"), IMAGE, TOKENS)


@pytest.mark.parametrize(
    ("image", "tokens", "message"),
    [
        (IMAGE, {"grid": (7, 4)}, r"expected integers \[batch, 28\]"),
        (ImageSpec(shape=(28, 28, 3)), {}, r"no image input: expected float \[batch, 3, 28, 28\]"),
    ],
)
def test_an_encoder_that_does_not_fit(folder, image, tokens, message):
    with pytest.raises(ModelError, match=message):
        TokenEncoder(session(folder / "encoder.onnx"), image, TOKENS.model_copy(update=tokens))
    with pytest.raises(ModelError, match="no image input"):
        TokenEncoder(session(folder / "decoder.onnx"), IMAGE, TOKENS)


def test_tokens_that_are_no_codes_are_not_passed_on(folder):
    encoder = TokenEncoder(session(folder / "encoder.onnx"), IMAGE, TOKENS.model_copy(update={"num_codes": 100}))
    images = np.stack([painted(row) for row in random_tokens(1)])
    with pytest.raises(ValueError, match="not 0 to 99"):
        encoder.encode(images)
