"""One who asks for one image at a time, in one way, and keeps the image that came. Times are taken by bench.load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np

from bench.compare.album import Pixels
from bench.compare.ways import Way
from bench.load.exchange import Exchange, Line
from bench.load.messages import READERS, Reading, request_maker
from bench.load.orders import Order
from bench.load.record import Recorder
from tandem.ar.v1.ar_pb2_grpc import AutoregressiveServiceStub
from tandem.client.credentials import CallMetadata
from tandem.gan.v1.gan_pb2_grpc import GanServiceStub

_STUBS: dict[str, Any] = {"sequential": AutoregressiveServiceStub, "parallel": GanServiceStub}
_IMAGES: dict[str, Callable[[Any], Any]] = {
    # rpc: the images of one of its messages, which may be empty
    "Generate": lambda message: message.image,
    "Complete": lambda message: message.choices[0].image,
    "Sample": lambda message: message.images,
    "SampleStream": lambda message: message.part.images,
}


class Caller:
    """Asks on one channel. Used by one task at a time: it is the order of its calls that tells whose image it is."""

    def __init__(self, way: Way, channel: grpc.aio.Channel, metadata: CallMetadata | None) -> None:
        rpc: Any = getattr(_STUBS[way.work.paradigm](channel), way.work.rpc)
        self._read_message = READERS[way.work.rpc]
        self._images_of = _IMAGES[way.work.rpc]
        make = request_maker(way.work, way.model)
        self._line = Line(rpc, make, self._read, way.work.deadline_seconds, metadata)
        self._image: Any = None

    async def ask(self, order: Order, recorder: Recorder, now: float, zero: float) -> Pixels | None:
        """Have an image [H, W, C] drawn, and the call recorded; None if it failed. `now` counts from `zero`."""
        self._image = None
        code = await Exchange(self._line, order, now, zero).run(recorder)
        if code or self._image is None:
            return None
        _, height, width, channels = self._image.shape
        return np.frombuffer(self._image.data, np.uint8).reshape(height, width, channels)

    def _read(self, message: Any) -> Reading:
        images = self._images_of(message)
        if images.shape:
            self._image = images
        return self._read_message(message)
