"""From a request's protobuf fields to checked domain values; every range of gan.proto is enforced here.

So is the largest size of a reply in bytes, which is computed before the work from real messages with full fields.
"""

import math
import secrets
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from services.common.bounds import check_bounds, check_int
from services.common.images.encoding import Encoding, Images, max_image_bytes
from services.common.images.messages import check_classes, check_encoding
from services.gan.discriminator import DiscriminatorInputs
from services.gan.image_request import ImageRequest
from tandem.common.v1 import images_pb2, timings_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument, ReplyTooLarge
from tandem.shared.model_spec import ImageSpec

MIN_TRUNCATION = 0.1
MAX_TRUNCATION = 10.0
MAX_DISCRIMINATED_IMAGES = 1024
# Latents are normal values: those drawn from a seed stay below 9. A hundred leaves room for experiments and is far from
# where float32 overflows inside a network (fashion-gan draws finite pixels up to 1e37).
MAX_LATENT = 100.0


def image_request(request: gan_pb2.SampleRequest, spec: ImageSpec, max_count: int) -> ImageRequest:
    """Return what the request asks for, with defaults filled in. Raises InvalidArgument."""
    count = check_int("count", request.count, 1, max_count) if request.HasField("count") else 1
    num_classes = len(spec.class_names)
    encoding = check_encoding("encoding", request.encoding, spec)
    has_latents = request.HasField("latents")
    return ImageRequest(
        count,
        spec.latent_dim,
        num_classes,
        encoding,
        seed=0 if has_latents else request.seed if request.HasField("seed") else secrets.randbits(63),
        truncation=_truncation(request, has_latents) if request.HasField("truncation") else None,
        explicit_labels=_explicit_labels(labels, count, num_classes) if (labels := request.labels) else None,
        explicit_vectors=_explicit_vectors(request, count, spec.latent_dim) if has_latents else None,
    )


def discriminator_inputs(request: gan_pb2.DiscriminateRequest, images: Images, spec: ImageSpec) -> DiscriminatorInputs:
    """Return the request's images, which have been decoded, with their classes. Raises InvalidArgument."""
    num_classes = len(spec.class_names)
    if len(request.labels) != (len(images) if num_classes else 0):
        accepted = f"{len(images)}, one an image" if num_classes else "none, as the model has no classes"
        raise InvalidArgument("labels", _number_of(request.labels), accepted)
    return DiscriminatorInputs(images, check_classes("labels", request.labels, num_classes) if num_classes else None)


def _truncation(request: gan_pb2.SampleRequest, has_latents: bool) -> float:
    value = request.truncation
    if has_latents:
        raise InvalidArgument("truncation", value, "none with explicit latents")
    if not (math.isfinite(value) and MIN_TRUNCATION <= value <= MAX_TRUNCATION):
        raise InvalidArgument("truncation", value, f"{MIN_TRUNCATION:g} to {MAX_TRUNCATION:g}")
    return value


def _explicit_labels(labels: Sequence[int], count: int, num_classes: int) -> npt.NDArray[np.int64]:
    if not num_classes:
        raise InvalidArgument("labels", _number_of(labels), "none, as the model has no classes")
    if len(labels) not in (1, count):
        raise InvalidArgument("labels", _number_of(labels), f"none, one, or {count}: one an image")
    classes = check_classes("labels", labels, num_classes)
    return classes if len(classes) == count else np.repeat(classes, count)


def _explicit_vectors(request: gan_pb2.SampleRequest, count: int, latent_dim: int) -> npt.NDArray[np.float32]:
    field, values = "latents.values", np.array(request.latents.values, dtype=np.float32)
    if len(values) != count * latent_dim:
        accepted = f"{count * latent_dim}: {latent_dim} for each of {count} images"
        raise InvalidArgument(field, f"{len(values)} numbers", accepted)
    accepted = f"{-MAX_LATENT:g} to {MAX_LATENT:g}"
    check_bounds(values, -MAX_LATENT, MAX_LATENT, lambda place: f"{field}[{place[0]}]", accepted)
    return values.reshape(count, latent_dim)


def _number_of(labels: Sequence[int]) -> str:
    return f"{len(labels)} label{'' if len(labels) == 1 else 's'}"


# A message inside another one is preceded by a tag and its length, and so are a field of bytes and a list of numbers.
_FRAME_BYTES = 6
_LARGEST = 2**31 - 1
_TEXT_BYTES = 256
"""Room for the short texts of a reply."""
_TIMINGS = timings_pb2.Timings(**{field.name: 1.0 for field in timings_pb2.Timings.DESCRIPTOR.fields})
# Features and scores are float32, packed.
_NUMBER_BYTES = 4


def max_images(spec: ImageSpec, encoding: Encoding, max_bytes: int) -> int:
    """Return how many images certainly fit a reply, or a part of a stream, of `max_bytes`; >= 0."""
    return _max_images(spec.shape, len(spec.class_names), encoding, max_bytes)


@cache
def _max_images(shape: tuple[int, ...], num_classes: int, encoding: Encoding, max_bytes: int) -> int:
    return max(0, max_bytes - _frame_bytes()) // _bytes_per_image(shape, num_classes, encoding)


def check_images(field: str, count: int, spec: ImageSpec, encoding: Encoding, max_bytes: int) -> None:
    """Raises ReplyTooLarge, about `field`, if `count` images in one reply could have more than `max_bytes`."""
    most = max_images(spec, encoding, max_bytes)
    if count <= most:
        return
    num_bytes = _frame_bytes() + count * _bytes_per_image(spec.shape, len(spec.class_names), encoding)
    fitting = f"1 to {most}" if most else "none of this size"
    accepted = f"{fitting}, as one reply has at most {max_bytes} bytes; SampleStream sends any number in parts"
    raise ReplyTooLarge(field, f"{count} images, up to {num_bytes} bytes", accepted)


def images_a_part(spec: ImageSpec, encoding: Encoding, most: int, max_bytes: int) -> int:
    """Return how many images go into a part: what fits `max_bytes`, up to `most`, but at least one."""
    return max(1, min(most, max_images(spec, encoding, max_bytes)))


def check_verdicts(count: int, feature_dim: int, max_bytes: int) -> None:
    """Raises ReplyTooLarge if the verdicts on `count` images, with their features, could have more than `max_bytes`."""
    frame = (
        gan_pb2.DiscriminateResponse(feature_dim=_LARGEST, timings=_TIMINGS).ByteSize() + 2 * _FRAME_BYTES + _TEXT_BYTES
    )
    bytes_per_image = _NUMBER_BYTES * (1 + feature_dim)
    most = max(0, max_bytes - frame) // bytes_per_image
    if count > most:
        wanted = f"{count} images, up to {frame + count * bytes_per_image} bytes"
        accepted = f"1 to {most}, as one reply has at most {max_bytes} bytes; ask in several requests"
        raise ReplyTooLarge("images.shape[0]", wanted, accepted)


@cache
def _frame_bytes() -> int:
    """Return the most bytes of a part besides its images' own."""
    shape = [_LARGEST] * 4
    images = images_pb2.ImageBatch(shape=shape, encoding=images_pb2.ENCODING_PNG)
    full = gan_pb2.SampleResponse(images=images, seed=2**64 - 1, first_index=_LARGEST, timings=_TIMINGS)
    # The reply in its part, the batch in the reply, the raw values and the list of labels.
    return full.ByteSize() + 4 * _FRAME_BYTES + _TEXT_BYTES


@cache
def _bytes_per_image(shape: tuple[int, ...], num_classes: int, encoding: Encoding) -> int:
    label = gan_pb2.SampleResponse(labels=[num_classes]).ByteSize() if num_classes else 0
    file = _FRAME_BYTES if encoding == "png" else 0
    return max_image_bytes(shape, encoding) + file + label
