"""The token decoder and encoder on tiny ONNX models: layouts found, misfits told."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from runtime.deadlines import Deadline
from services.ar.codecs.image_networks import TokenDecoder, TokenEncoder
from services.common.batching.request import BatchRequest, Slice
from services.common.runtimes.onnx_session import OnnxSession, open_session
from tandem.shared.errors import ModelFault
from tandem.shared.model_spec import ImageSpec, ImageTokensSpec
from tandem.shared.models import ModelError
from tests.tiny_models import NUM_CODES, NUM_TOKENS, code_patches, painted, write_token_decoder, write_token_encoder

IMAGE = ImageSpec(shape=(28, 28, 1))
TOKENS = ImageTokensSpec(grid=(7, 7), num_codes=NUM_CODES, first_class_token=NUM_CODES, decoder="d.onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    write_token_decoder(folder / "decoder.onnx")
    write_token_encoder(folder / "encoder.onnx")
    return folder


def session(path: Path) -> OnnxSession:
    return open_session(path)


def random_tokens(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, NUM_CODES, (count, NUM_TOKENS))


def test_tokens_become_images_and_images_tokens(folder):
    tokens = random_tokens(20)
    images = TokenDecoder(session(folder / "decoder.onnx"), IMAGE, TOKENS).decode(tokens)
    assert (images == np.stack([painted(row) for row in tokens])).all()
    assert (TokenEncoder(session(folder / "encoder.onnx"), IMAGE, TOKENS).encode(images) == tokens).all()


@pytest.mark.parametrize(
    ("network", "file", "image", "tokens", "message"),
    [
        (
            TokenDecoder,
            "decoder",
            IMAGE,
            {"grid": (7, 4)},
            r"one input, integer \[batch, 28\], found tokens: tensor\(int64",
        ),
        (TokenDecoder, "decoder", ImageSpec(shape=(14, 14, 1)), {}, r"expected images \[batch, 1, 14, 14\]"),
        (TokenDecoder, "encoder", IMAGE, {}, "expected one input"),
        (TokenEncoder, "encoder", IMAGE, {"grid": (7, 4)}, r"expected integers \[batch, 28\]"),
        (
            TokenEncoder,
            "encoder",
            ImageSpec(shape=(28, 28, 3)),
            {},
            r"no image input: expected float \[batch, 3, 28, 28\]",
        ),
        (TokenEncoder, "decoder", IMAGE, {}, "no image input"),
    ],
)
def test_a_network_that_does_not_fit(folder, network, file, image, tokens, message):
    with pytest.raises(ModelError, match=message):
        network(session(folder / f"{file}.onnx"), image, TOKENS.model_copy(update=tokens))


def slices_of(payloads: list[np.ndarray]) -> list[Slice]:
    """Return one slice a payload, each the whole of its request."""
    never = Deadline.after(None)
    return [Slice(BatchRequest(each, len(each), never, 0.0, lambda *_: True), 0, len(each)) for each in payloads]


def test_a_batch_gives_each_request_its_own(folder):
    tokens = [random_tokens(count) for count in (1, 3, 2)]
    images = TokenDecoder(session(folder / "decoder.onnx"), IMAGE, TOKENS).run_batch(slices_of(tokens))
    found = TokenEncoder(session(folder / "encoder.onnx"), IMAGE, TOKENS).run_batch(slices_of(images))
    for mine, painted_mine, found_mine in zip(tokens, images, found, strict=True):
        assert (painted_mine == np.stack([painted(row) for row in mine])).all()
        assert (found_mine == mine).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pixels_that_are_not_finite_are_a_fault_of_their_request_alone(folder, tmp_path, bad):
    model = onnx.load(folder / "decoder.onnx")
    patches = code_patches()
    patches[7, 5] = bad
    (constant,) = (each for each in model.graph.initializer if each.name == "patches")
    constant.CopyFrom(numpy_helper.from_array(patches, "patches"))
    onnx.save(model, tmp_path / "decoder.onnx")
    tokens = [np.full((1, NUM_TOKENS), 3), random_tokens(2) % 7 + 8, np.full((2, NUM_TOKENS), 4)]
    tokens[1][1, 11] = 7
    first, second, third = TokenDecoder(session(tmp_path / "decoder.onnx"), IMAGE, TOKENS).run_batch(slices_of(tokens))
    assert isinstance(second, ModelFault)
    assert (first == painted(tokens[0][0])).all()
    assert (third == painted(tokens[2][0])).all()


def test_tokens_that_are_no_codes_are_a_fault_of_their_request_alone(folder):
    white = np.ones((2, *IMAGE.shape), np.float32)  # the tiny encoder finds 542 in it
    good = [np.stack([painted(row) for row in random_tokens(count)]) for count in (1, 3)]
    encoder = TokenEncoder(session(folder / "encoder.onnx"), IMAGE, TOKENS)
    first, second, third = encoder.run_batch(slices_of([good[0], white, good[1]]))
    assert isinstance(second, ModelFault)
    assert (first == random_tokens(1)).all()
    assert (third == random_tokens(3)).all()
