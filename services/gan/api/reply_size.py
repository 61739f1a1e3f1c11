"""The largest size of a reply in bytes, computed before the work from real messages with full fields."""

from functools import cache

from services.common.images.encoding import Encoding
from services.common.images.sizes import max_image_bytes
from tandem.common.v1 import images_pb2, timings_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import ReplyTooLarge
from tandem.shared.model_spec import ImageSpec

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
