"""What is accepted of a request, and how large its reply may become."""

import numpy as np
import pytest

from services.common.images.messages import fill_image_batch
from services.gan.api.validation import check_verdicts, images_a_part, max_images
from tandem.common.v1 import timings_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import ReplyTooLarge
from tandem.shared.model_spec import ImageSpec

TIMINGS = timings_pb2.Timings(**{field.name: 1.5 for field in timings_pb2.Timings.DESCRIPTOR.fields})
MANY_CLASSES = tuple(map(str, range(1000)))
SPECS = [
    ImageSpec(shape=(1, 1, 1), latent_dim=2),
    ImageSpec(shape=(28, 28, 1), latent_dim=2, class_names=MANY_CLASSES),
    ImageSpec(shape=(64, 40, 3), latent_dim=2),
    ImageSpec(shape=(65, 33, 4), latent_dim=2, class_names=("a",)),
]
LIMIT = 300_000


def part(spec: ImageSpec, encoding: str, count: int) -> gan_pb2.SampleStreamResponse:
    """Return the largest part that there can be: noise is what no encoder makes smaller."""
    noise = np.random.default_rng(3).integers(0, 256, (count, *spec.shape), dtype=np.uint8)
    response = gan_pb2.SampleStreamResponse()
    pixels = noise.astype(np.float32) if encoding == "float32" else noise
    fill_image_batch(response.part.images, [pixels], encoding)
    response.part.seed, response.part.first_index = 2**64 - 1, 2**31 - 1
    response.part.labels.extend([max(0, len(spec.class_names) - 1)] * count if spec.class_names else [])
    response.part.timings.CopyFrom(TIMINGS)
    return response


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("encoding", ["uint8", "float32", "png"])
def test_what_fits_by_the_bound_fits_and_little_more_would(spec: ImageSpec, encoding: str) -> None:
    count = max_images(spec, encoding, LIMIT)
    full = part(spec, encoding, count)
    assert count > 1
    assert full.ByteSize() <= LIMIT
    assert full.part.ByteSize() <= LIMIT
    # PNG's bound is an eighth above what encoders do; the rest is one image and the frame.
    share = 0.84 if encoding == "png" else 0.99
    assert full.ByteSize() >= share * LIMIT - full.ByteSize() / count - 512


def test_a_part_has_at_most_what_it_may_have_and_what_fits() -> None:
    assert images_a_part(SPECS[0], "uint8", 64, LIMIT) == 64
    assert images_a_part(SPECS[2], "float32", 64, LIMIT) == max_images(SPECS[2], "float32", LIMIT) == 9


@pytest.mark.parametrize("feature_dim", [0, 5, 1000])
def test_verdicts_that_fit_by_the_bound_fit(feature_dim: int) -> None:
    most = next(count for count in range(1, LIMIT) if _is_refused(count + 1, feature_dim))
    reply = gan_pb2.DiscriminateResponse(
        scores=[1.5] * most, feature_dim=feature_dim, features=[1.5] * most * feature_dim, timings=TIMINGS
    )
    assert LIMIT - 4 * (feature_dim + 1) - 512 < reply.ByteSize() <= LIMIT


def _is_refused(count: int, feature_dim: int) -> bool:
    try:
        check_verdicts(count, feature_dim, LIMIT)
    except ReplyTooLarge as error:
        assert "several requests" in str(error)  # noqa: PT017
        return True
    return False
