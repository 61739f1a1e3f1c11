"""The images of one request while they are drawn: what each choice has so far, and which messages carry it."""

import asyncio
from collections.abc import Callable, Sequence

from runtime.rpc.rpc import Call
from services.ar.api.reply_size import image_bytes
from services.ar.codecs.image_codec import ImageCodec
from services.common.images.encoding import Encoding, Images, to_uint8
from services.common.images.messages import fill_image_batch
from tandem.ar.v1 import ar_pb2

Finished = Callable[[int, Images], None]


class GrowingImages:
    """All choices begin with `prompt_codes`. With `partial`, every message gets an image, not only a choice's last.

    `finished` is called for each complete image: its choice, and the image [1, H, W, C] in the model's own range.
    """

    def __init__(
        self,
        codec: ImageCodec,
        prompt_codes: Sequence[int],
        num_choices: int,
        encoding: Encoding,
        partial: bool,
        finished: Finished | None = None,
    ) -> None:
        self._codec = codec
        self._codes = [list(prompt_codes) for _ in range(num_choices)]
        self._encoding = encoding
        self._partial = partial
        self._finished = finished

    @property
    def max_bytes(self) -> int:
        """The most bytes that a message's image takes."""
        return image_bytes(self._codec.image.shape, self._encoding)

    async def add_to(self, messages: Sequence[ar_pb2.GenerateResponse], call: Call) -> None:
        """Take the messages' tokens; put the image into each message that is to carry one."""
        for message in messages:
            self._codes[message.choice_index].extend(message.token_ids)
        carriers = [message for message in messages if self._partial or message.finish_reason]
        if not carriers:
            return
        token_lists = [self._codes[message.choice_index] for message in carriers]
        images = await self._codec.draw(token_lists, call.deadline, call.owner)
        await self._fill(carriers, images)
        self._tell(carriers, images)

    def _tell(self, carriers: Sequence[ar_pb2.GenerateResponse], images: Images) -> None:
        if self._finished is None:
            return
        for place, message in enumerate(carriers):
            if len(self._codes[message.choice_index]) == self._codec.num_tokens:
                self._finished(message.choice_index, images[place : place + 1])

    async def _fill(self, carriers: Sequence[ar_pb2.GenerateResponse], images: Images) -> None:
        if self._encoding == "png":
            await asyncio.to_thread(self._write, carriers, images)
        else:
            self._write(carriers, images)

    def _write(self, carriers: Sequence[ar_pb2.GenerateResponse], images: Images) -> None:
        pixels = images if self._encoding == "float32" else to_uint8(images, self._codec.image.value_range)
        for place, message in enumerate(carriers):
            fill_image_batch(message.image, [pixels[place : place + 1]], self._encoding)
