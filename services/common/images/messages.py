"""Between the contract's ImageBatch and a model's images, checked; used by both services.

The images that requests bring are decoded within what those of all open requests may take together.
"""

import asyncio
import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.limits import MAX_MESSAGE_BYTES
from runtime.memory import Memory, Reservation
from services.common.images.encoding import Encoding, Images, check_png, decode_png, decode_raw, encode_png, raw_bytes
from tandem.common.v1 import images_pb2
from tandem.shared.errors import InvalidArgument
from tandem.shared.model_spec import ImageSpec

ENCODINGS: dict[int, Encoding] = {
    images_pb2.ENCODING_UNSPECIFIED: "uint8",
    images_pb2.ENCODING_RAW_UINT8: "uint8",
    images_pb2.ENCODING_RAW_FLOAT32: "float32",
    images_pb2.ENCODING_PNG: "png",
}
# Of one request's images as float32. A PNG file of one colour has a thousandth of its pixels' bytes. Raw images of a
# full message have a quarter of this.
MAX_DECODED_BYTES = 16 * MAX_MESSAGE_BYTES
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.float32]

_PROTO_ENCODINGS: dict[str, Any] = {name: number for number, name in ENCODINGS.items() if number}


def check_encoding(field: str, value: int, spec: ImageSpec) -> Encoding:
    """Return the encoding that a request names. Raises InvalidArgument."""
    if value not in ENCODINGS:
        raise InvalidArgument(field, value, ", ".join(images_pb2.Encoding.keys()))
    if ENCODINGS[value] == "png":
        check_png(field, spec.shape[2])
    return ENCODINGS[value]


def check_count(field: str, batch: images_pb2.ImageBatch, spec: ImageSpec, max_count: int) -> int:
    """Return how many images a request has: 1 to `max_count`, of at most MAX_DECODED_BYTES unless it is only one.

    Raises InvalidArgument.
    """
    check_encoding(f"{field}.encoding", batch.encoding, spec)
    shape = tuple(batch.shape)
    if len(shape) != 4 or shape[1:] != spec.shape:
        raise InvalidArgument(f"{field}.shape", list(shape), f"[count, {', '.join(map(str, spec.shape))}]")
    count = shape[0]
    if not 1 <= count <= max_count:
        raise InvalidArgument(f"{field}.shape[0]", count, f"1 to {max_count}")
    most = max(1, MAX_DECODED_BYTES // (np.dtype(np.float32).itemsize * math.prod(spec.shape)))
    if count > most:
        accepted = f"1 to {most}, as the images of one request have at most {MAX_DECODED_BYTES} bytes as float32"
        raise InvalidArgument(f"{field}.shape[0]", count, accepted)
    return count


def decode_images(field: str, batch: images_pb2.ImageBatch, spec: ImageSpec, max_count: int) -> Images:
    """Return the images of a request, as many as `check_count` accepts.

    Raises InvalidArgument, for a wrong number before it decodes any.
    """
    count = check_count(field, batch, spec, max_count)
    encoding = ENCODINGS[batch.encoding]
    if encoding != "png":
        return decode_raw(field, batch.data, count, encoding, spec)
    if len(batch.png) != count:
        raise InvalidArgument(f"{field}.png", f"{len(batch.png)} files", f"{count}, as {field}.shape says")
    return decode_png(field, batch.png, spec)


def check_classes(field: str, labels: Sequence[int], num_classes: int) -> npt.NDArray[np.int64]:
    """Return the classes of a request. Raises InvalidArgument."""
    for label in labels:
        if not 0 <= label < num_classes:
            raise InvalidArgument(field, label, f"0 to {num_classes - 1}")
    return np.fromiter(labels, np.int64, len(labels))


def fill_image_batch(batch: images_pb2.ImageBatch, parts: Sequence[Pixels], encoding: Encoding) -> None:
    """Put the pixels of all parts, each [N, H, W, C], into an empty message: float32 for that encoding, else uint8.

    A message is filled where it lies because protobuf copies every message that is put into another one.
    """
    describe_images(batch, (sum(len(pixels) for pixels in parts), *parts[0].shape[1:]), encoding)
    if encoding == "png":
        for pixels in parts:
            batch.png.extend(encode_png(pixels))  # type: ignore[arg-type]
    else:
        batch.data = raw_bytes(parts)


def describe_images(batch: images_pb2.ImageBatch, shape: Sequence[int], encoding: Encoding) -> None:
    """Say in an empty message what images it has: all that `fill_image_batch` does besides the images themselves."""
    batch.shape.extend(shape)
    batch.encoding = _PROTO_ENCODINGS[encoding]


class ReceivedImages:
    """Of a model: at most `max_bytes` as float32, `max_caller_share` of them of one caller that is known.

    The images of one request are decoded in any case while no others are there.
    """

    def __init__(self, spec: ImageSpec, max_bytes: int, max_caller_share: float) -> None:
        self._spec = spec
        self._memory = Memory("the memory for decoded images of open requests", max_bytes, max_caller_share)

    async def decode(self, field: str, batch: images_pb2.ImageBatch, max_count: int, caller: str) -> Images:
        """Return the images of a request, 1 to `max_count` of them; they count until nothing holds them any more.

        Raises InvalidArgument; ResourceExhausted, before it decodes any, if there is no room for them.
        """
        count = check_count(field, batch, self._spec, max_count)
        num_bytes = count * math.prod(self._spec.shape) * np.dtype(np.float32).itemsize
        reservation = self._memory.reserve(caller, num_bytes)
        # The thread holds the reservation, as it goes on when the caller has gone.
        return await asyncio.to_thread(self._decode, reservation, field, batch, max_count)

    def _decode(self, reservation: Reservation, field: str, batch: images_pb2.ImageBatch, max_count: int) -> Images:
        try:
            images = decode_images(field, batch, self._spec, max_count)
        except BaseException:
            reservation.give_back()  # now: the error may hold it for long
            raise
        weakref.finalize(images, reservation.give_back)
        return images
