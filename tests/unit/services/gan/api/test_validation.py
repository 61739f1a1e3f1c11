import math

import numpy as np
import pytest

from services.common.images.messages import decoded_images
from services.gan.api.validation import discriminator_inputs, image_request
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument
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


def test_seed_zero_is_a_seed():
    assert checked(seed=0).seed == 0
    assert checked(seed=2**64 - 1).seed == 2**64 - 1


def test_one_label_stands_for_all():
    assert checked(count=3, labels=[2]).explicit_labels.tolist() == [2, 2, 2]
    assert checked(count=3, labels=[2, 0, 1]).explicit_labels.tolist() == [2, 0, 1]


def test_explicit_latents_are_rows():
    wanted = checked(count=2, latents=values(*range(6)))
    assert wanted.explicit_vectors.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert wanted.seed == 0


def test_truncation_within_its_range():
    assert checked(truncation=0.1).truncation == 0.1
    assert checked(truncation=10).truncation == 10


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


def test_latents_far_beyond_any_that_is_drawn_are_accepted():
    assert checked(latents=values(-100, 0, 100)).explicit_vectors.tolist() == [[-100, 0, 100]]


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


def test_a_float_that_rounding_drove_out_of_range_is_taken_back_into_it():
    assert shown(**FLOATS, data=float_bytes(3, -1.0000002)).images.min() == -1


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
