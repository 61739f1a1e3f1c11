"""The images that requests bring, decoded within what those of all open requests may take together."""

import asyncio
import math
import weakref

import numpy as np

from services.common.images.encoding import Images
from services.common.images.messages import check_count, decode_images
from services.common.memory import Memory, Reservation
from tandem.common.v1 import images_pb2
from tandem.shared.model_spec import ImageSpec


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
