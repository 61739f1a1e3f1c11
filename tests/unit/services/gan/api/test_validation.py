"""What is accepted of a request, and how large its reply may become."""

import math

import numpy as np
import pytest

from services.common.images.messages import decoded_images, fill_image_batch
from services.gan.api.validation import (
    check_images,
    check_verdicts,
    discriminator_inputs,
    image_request,
    images_a_part,
    max_images,
)
from tandem.common.v1 import images_pb2, timings_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument, ReplyTooLarge
from tandem.shared.model_spec import ImageSpec

SPEC = ImageSpec(shape=(4, 4, 1), latent_dim=3, class_names=("a", "b", "c"))
PLAIN = ImageSpec(shape=(4, 4, 2), latent_dim=3)
MAX_COUNT = 16


def checked(spec: ImageSpec = SPEC, **fields):
    return image_request(gan_pb2.SampleRequest(**fields), spec, MAX_COUNT)


def values(*numbers: float) -> gan_pb2.Latents:
    return gan_pb2.Latents(values=numbers)


def test_defaults_are_one_image_of_a_drawn_seed():
    first, second = checked(), checked()
    assert (first.count, first.encoding, first.explicit_labels, first.explicit_vectors, first.truncation) == (
        1,
        "uint8",
        None,
        None,
        None,
    )
    assert first.seed != second.seed


@pytest.mark.parametrize(
    ("encoding", "name"),
    [(0, "uint8"), (1, "uint8"), (2, "float32"), (3, "png")],
)
def test_encodings(encoding, name):
    assert checked(encoding=encoding).encoding == name


BAD = {
    "count": [{"count": n} for n in (0, -1, MAX_COUNT + 1, 10**9, -(2**31))],
    "labels": [
        {"labels": [3]},
        {"labels": [-1]},
        {"count": 3, "labels": [0, 1]},
        {"count": 1, "labels": [0, 1]},
        {"count": 2, "labels": [0, 10**9]},
        {"spec": PLAIN, "labels": [0]},
    ],
    "truncation": [{"truncation": t} for t in (math.nan, math.inf, -math.inf, 0.0, 0.09, 10.1, -1.0)]
    + [{"latents": values(1, 2, 3), "truncation": 1.0}],
    "latents.values": [
        {"latents": values()},
        {"latents": values(1, 2)},
        {"latents": values(1, 2, 3, 4)},
        {"count": 2, "latents": values(1, 2, 3)},
    ],
    "latents.values[1]": [
        {"latents": values(1, number, 3)} for number in (math.nan, math.inf, -math.inf, 3.4e38, -3.4e38, 100.1, -100.1)
    ],
    "encoding": [
        {"encoding": 4},
        {"encoding": 99},
        {"encoding": -1},
        {"spec": PLAIN, "encoding": images_pb2.ENCODING_PNG},
    ],
}


@pytest.mark.parametrize(("field", "fields"), [(field, each) for field, cases in BAD.items() for each in cases])
def test_bad_value_is_refused_by_field_with_what_is_accepted(field, fields):
    with pytest.raises(InvalidArgument, match="accepted: ") as refused:
        checked(**fields)
    assert refused.value.field == field


def test_latent_is_named_by_its_place_in_the_request_with_its_range():
    with pytest.raises(InvalidArgument) as refused:
        image_request(gan_pb2.SampleRequest(count=2, latents=values(0, 0, 0, 0, 3.4e38, 0)), SPEC, MAX_COUNT)
    message = "latents.values[4]: 3.4e+38 is not accepted; accepted: -100 to 100"
    assert str(refused.value) == message


def shown(count=2, spec=SPEC, labels=(0, 1), encoding=images_pb2.ENCODING_RAW_UINT8, shape=None, data=None, png=()):
    shape = (count, *spec.shape) if shape is None else shape
    data = bytes(count * 16 * spec.shape[2]) if data is None else data
    images = images_pb2.ImageBatch(shape=shape, encoding=encoding, data=data, png=png)
    decoded = decoded_images("images", images, spec, MAX_COUNT)
    return discriminator_inputs(gan_pb2.DiscriminateRequest(images=images, labels=labels), decoded, spec)


def test_exhibits():
    exhibit = shown()
    assert exhibit.images.shape == (2, 4, 4, 1)
    assert exhibit.images.dtype == np.float32
    assert (exhibit.images == -1).all()
    assert exhibit.labels.tolist() == [0, 1]
    assert shown(spec=PLAIN, labels=()).labels is None


FLOATS = {"encoding": images_pb2.ENCODING_RAW_FLOAT32, "count": 1, "labels": (0,)}


def float_bytes(place: int, value: float) -> bytes:
    floats = np.zeros(16, "<f4")
    floats[place] = value
    return floats.tobytes()


BAD_EXHIBITS = {
    "images.data[0][1][2][0]": [{**FLOATS, "data": float_bytes(6, v)} for v in (3e38, -1.01, math.nan, math.inf)],
    "images.shape": [{"shape": s} for s in ((), (2,), (2, 4, 4), (2, 4, 5, 1), (2, 4, 4, 3), (2, 4, 4, 1, 1))],
    "images.shape[0]": [{"shape": (n, 4, 4, 1)} for n in (0, -1, MAX_COUNT + 1, 2**31 - 1)],
    "images.data": [{"data": b""}, {"data": bytes(31)}, {"data": bytes(33)}],
    "images.encoding": [{"encoding": 7}, {"spec": PLAIN, "encoding": images_pb2.ENCODING_PNG, "labels": ()}],
    "images.png": [{"encoding": images_pb2.ENCODING_PNG}, {"encoding": images_pb2.ENCODING_PNG, "png": [b"x"] * 3}],
    "images.png[0]": [{"encoding": images_pb2.ENCODING_PNG, "png": [b"x"] * 2}],
    "labels": [{"labels": v} for v in ((), (0,), (0, 1, 2), (0, 3), (0, -1))] + [{"spec": PLAIN, "labels": (0, 1)}],
}


@pytest.mark.parametrize(
    ("field", "fields"), [(field, each) for field, cases in BAD_EXHIBITS.items() for each in cases]
)
def test_bad_exhibits_are_refused_by_field(field, fields):
    with pytest.raises(InvalidArgument, match="accepted: ") as refused:
        shown(**fields)
    assert refused.value.field == field


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


@pytest.mark.parametrize("encoding", ["uint8", "float32", "png"])
def test_one_image_more_is_refused_in_words_that_name_the_way_out(encoding: str) -> None:
    spec = SPECS[2]
    most = max_images(spec, encoding, LIMIT)
    check_images("count", most, spec, encoding, LIMIT)
    with pytest.raises(ReplyTooLarge) as refused:
        check_images("count", most + 1, spec, encoding, LIMIT)
    text = str(refused.value)
    assert text.startswith(f"count: '{most + 1} images, up to ")
    assert text.endswith(
        f"accepted: 1 to {most}, as one reply has at most 300000 bytes; SampleStream sends any number in parts"
    )
    named = int(text.split("up to ")[1].split()[0])
    assert LIMIT < named < LIMIT * (most + 2) / most
    assert refused.value.reason == "REPLY_TOO_LARGE"


def test_an_image_that_fits_no_reply_is_a_part_of_its_own() -> None:
    spec = ImageSpec(shape=(512, 512, 3), latent_dim=2)
    assert max_images(spec, "uint8", LIMIT) == 0
    assert images_a_part(spec, "uint8", 64, LIMIT) == 1
    with pytest.raises(ReplyTooLarge, match="none of this size"):
        check_images("count", 1, spec, "uint8", LIMIT)


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
