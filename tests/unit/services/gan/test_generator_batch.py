import numpy as np
import pytest

from runtime.deadlines import Deadline
from services.common.batching.request import BatchRequest, Slice
from services.common.images.encoding import to_uint8
from services.gan.generator_batch import GeneratorBatches, ImageSlice
from services.gan.image_request import ImageRequest, Part
from tandem.shared.errors import ModelFault

LATENT_DIM = 6
VECTORS = np.linspace(-1, 1, 5 * LATENT_DIM, dtype=np.float32).reshape(5, LATENT_DIM)


class Echo:
    """A generator whose images are its latents, in -1..1."""

    def __init__(self) -> None:
        self.num_passes = 0

    def draw(self, latents):
        self.num_passes += 1
        return np.tanh(latents.vectors).reshape(-1, 2, 3, 1)


def image_request(**changes) -> ImageRequest:
    fields = {"count": 5, "latent_dim": LATENT_DIM, "num_classes": 4, "encoding": "uint8", "seed": 9}
    return ImageRequest(**(fields | changes))


def part(wanted: ImageRequest, start: int, stop: int, first_index: int = 0) -> Slice[Part, ImageSlice]:
    request = BatchRequest(
        (wanted, range(first_index, first_index + stop)), stop, Deadline.after(None), 0.0, lambda *_: True
    )
    return Slice(request, start, stop)


MIXED = [
    image_request(),
    image_request(seed=2**64 - 1, encoding="float32"),
    image_request(truncation=0.5),
    image_request(explicit_vectors=VECTORS, encoding="float32"),
    image_request(explicit_labels=np.array([3, 2, 1, 0, 3])),
    image_request(encoding="png"),
]


@pytest.mark.parametrize("requests", [MIXED, [MIXED[0], MIXED[4]], [MIXED[1]], [MIXED[1], MIXED[3]]])
def test_a_part_of_a_batch_is_what_it_is_alone(requests):
    echo = Echo()
    run = GeneratorBatches(echo, (-1.0, 1.0))
    slices = [part(wanted, 1, 4) for wanted in requests]
    together = run(slices)
    assert echo.num_passes == 1
    for wanted, one, drawn in zip(requests, slices, together, strict=True):
        (alone,) = run([one])
        np.testing.assert_array_equal(drawn.pixels, alone.pixels)
        np.testing.assert_array_equal(drawn.labels, alone.labels)
        images = np.tanh(wanted.vectors(range(1, 4))).reshape(-1, 2, 3, 1)
        expected = images if wanted.encoding == "float32" else to_uint8(images, (-1.0, 1.0))
        np.testing.assert_array_equal(drawn.pixels, expected)
        assert drawn.pixels.dtype == (np.float32 if wanted.encoding == "float32" else np.uint8)
        assert drawn.labels.tolist() == wanted.labels(range(1, 4)).tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_images_that_are_not_finite_are_a_fault_of_their_part_alone_and_not_shown_to_the_watch(bad):
    class Spoilt(Echo):
        def draw(self, latents):
            images = super().draw(latents).copy()
            images[4, 1, 2, 0] = bad  # the second image of the second part
            return images

    watch, slices = Watch(), [part(image_request(seed=seed, encoding="float32"), 0, 3) for seed in (1, 2, 3)]
    first, second, third = GeneratorBatches(Spoilt(), (-1.0, 1.0), watch)(slices)
    assert isinstance(second, ModelFault)
    for drawn, alone in ((first, slices[0]), (third, slices[2])):
        np.testing.assert_array_equal(drawn.pixels, GeneratorBatches(Echo(), (-1.0, 1.0))([alone])[0].pixels)
    assert [seed for _, _, seed, _, _ in watch.shown] == [1, 3]


class Watch:
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list = []

    def saw(self, *what) -> None:
        self.shown.append(what)


def test_the_watch_sees_what_the_model_was_free_to_vary():
    watch = Watch()
    GeneratorBatches(Echo(), (-1.0, 1.0), watch)(
        [part(wanted, 1, 4, first_index=70) for wanted in MIXED[:3] + MIXED[4:]]
    )
    shown = [MIXED[0], MIXED[1], MIXED[2], MIXED[4], MIXED[5]]
    assert [each[2:] for each in watch.shown] == [(wanted.seed, 71, wanted.truncation) for wanted in shown]
    for (images, labels, *_), wanted in zip(watch.shown[:2], MIXED[:2], strict=True):
        np.testing.assert_array_equal(images, np.tanh(wanted.vectors(range(71, 74))).reshape(-1, 2, 3, 1))
        assert labels.tolist() == wanted.labels(range(71, 74)).tolist()
