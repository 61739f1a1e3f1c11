import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from runtime.deadlines import Deadline
from services.ar.codecs.image_codec import ImageCodec, Tokens
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from services.common.batching.request import Slice
from services.common.images.encoding import Images
from tandem.shared.errors import InvalidArgument
from tandem.shared.model_spec import ImageSpec, ImageTokensSpec

IMAGE = ImageSpec(shape=(4, 6, 1), value_range=(-2.0, 5.0), class_names=("a", "b"))
TOKENS = ImageTokensSpec(grid=(2, 3), num_codes=8, first_class_token=10, decoder="d.onnx")
NEVER = Deadline.after(None)


class Observer(list):
    def passed(self, batch_size: int, seconds: float) -> None:
        self.append(batch_size)

    def ended(self, outcome: str, num_samples: int) -> None:
        pass


def paint(tokens: Tokens) -> Images:
    """Return images [N, 4, 6, 1] whose cells of 2 x 2 pixels have the value of their token."""
    cells = tokens.reshape(-1, 2, 3).astype(np.float32)
    return cells.repeat(2, axis=1).repeat(2, axis=2)[..., None]


def decode(batch: Sequence[Slice[Tokens, Images]]) -> list[Images]:
    return [paint(part.payload[part.start : part.stop]) for part in batch]


def encode(batch: Sequence[Slice[Images, Tokens]]) -> list[Tokens]:
    return [part.payload[part.start : part.stop, ::2, ::2, 0].reshape(-1, 6).astype(np.int64) for part in batch]


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
async def codec(observer: Observer) -> AsyncIterator[ImageCodec]:
    limits = BatchLimits(max_batch_size=4, max_queued=8)
    decoder, encoder = Batcher("d", [decode], limits, observer), Batcher("e", [encode], limits, observer)
    codec = ImageCodec(IMAGE, TOKENS, decoder, encoder)
    for part in codec.parts:
        part.start()
    yield codec
    for part in codec.parts:
        await part.stop()


async def test_a_picture_is_painted_as_far_as_its_codes_go(codec: ImageCodec) -> None:
    codes = [3, 1, 4, 1, 5, 2]
    images = await codec.draw([codes[:count] for count in range(7)], NEVER)
    whole = paint(np.array(codes))[0]
    for count, image in enumerate(images):
        for number in range(6):
            top, left = number // 3 * 2, number % 3 * 2
            cell = image[top : top + 2, left : left + 2]
            expected = whole[top : top + 2, left : left + 2] if number < count else np.full((2, 2, 1), -2.0)
            assert (cell == expected).all(), (count, number)


async def test_pictures_that_finish_together_are_decoded_together(codec: ImageCodec, observer: Observer) -> None:
    pictures = await asyncio.gather(*(codec.draw([[number] * 6], NEVER) for number in range(4)))
    assert [int(images[0, 0, 0, 0]) for images in pictures] == [0, 1, 2, 3]
    assert observer == [4]


@pytest.mark.parametrize(
    ("token_ids", "message"),
    [
        ([], r"tokens: \[\] is not accepted; accepted: a class token, 10 to 11, at the beginning"),
        ([3], r"tokens: \[3\]"),
        ([12], r"tokens: \[12\]"),
        ([9, 0], r"tokens: \[9\]"),
        ([10, 8], "tokens: 8 is not accepted; accepted: codes 0 to 7"),
        ([10, 10], "tokens: 10"),
        ([10, -1], "tokens: -1"),
        ([10, 0, 0, 0], "tokens: '3 codes' is not accepted; accepted: at most 2"),
    ],
)
def test_what_is_no_picture(token_ids: list[int], message: str) -> None:
    codec = ImageCodec(IMAGE, TOKENS, Batcher("d", [decode], BatchLimits(1, 1), Observer()), None)
    codec.check_tokens("tokens", [10, 7, 0], 2)
    codec.check_tokens("tokens", [11], 2)
    with pytest.raises(InvalidArgument, match=message):
        codec.check_tokens("tokens", token_ids, 2)


def test_a_codec_without_encoder_says_so() -> None:
    codec = ImageCodec(IMAGE, TOKENS, Batcher("d", [decode], BatchLimits(1, 1), Observer()), None)
    assert (codec.can_encode, len(codec.parts)) == (False, 1)
    assert (codec.num_tokens, codec.max_context_tokens, codec.num_classes) == (6, 7, 2)
