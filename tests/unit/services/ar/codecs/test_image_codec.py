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
