"""POST /v1/images/generations: whole, or as events."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any

from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.catalogue import Catalogue, Served
from gateway.protocols.openai.exchange import OpenAiExchange, event
from gateway.protocols.openai.images import parallel, sequential
from gateway.protocols.openai.images.classes import check_size
from gateway.protocols.openai.images.drawn import Drawn, in_base64
from gateway.protocols.openai.replies.image import CompletedImage, Image, Images, PartialImage
from gateway.protocols.openai.requests.image import ImageBody
from runtime.rpc.routes import SEQUENTIAL
from tandem.shared.errors import InvalidArgument

MAX_PARTIAL_IMAGES = 3


class Generations:
    """An operation of endpoint.py."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def __call__(self, body: ImageBody, calls: Calls, exchange: OpenAiExchange) -> None:
        """Answer in one piece or in events. Raises TandemError."""
        model = self._catalogue.image(body.model)
        calls.will_be("Generate" if model.paradigm == SEQUENTIAL else "Sample")
        check_size(body.size, model.described)
        _check_options(body, model)
        if body.stream:
            await _stream(body, model, calls, exchange)
            return
        draw = sequential.draw if model.paradigm == SEQUENTIAL else parallel.draw
        drawn = await draw(body, model, calls)
        await exchange.reply_with(
            Images(
                created=int(time.time()),
                data=[Image(b64_json=in_base64(png)) for png in drawn.pngs],
                output_format="png",
                usage=drawn.usage,
                model=model.name,
                seed=drawn.seed,
                system_fingerprint=drawn.fingerprint or None,
            )
        )


def _check_options(body: ImageBody, model: Served) -> None:
    most = MAX_PARTIAL_IMAGES if body.stream and model.paradigm == SEQUENTIAL else 0
    if not 0 <= (body.partial_images or 0) <= most:
        accepted = "0 to 3, with stream, of a model that draws in sequence; else 0"
        raise InvalidArgument("partial_images", body.partial_images, accepted)
    if body.steps is not None and model.paradigm != SEQUENTIAL:
        raise InvalidArgument("steps", body.steps, "nothing: this model draws in one pass")
    if body.stream and body.n not in (None, 1):
        raise InvalidArgument("n", body.n, "1 with stream")


async def _stream(body: ImageBody, model: Served, calls: Calls, exchange: OpenAiExchange) -> None:
    index, last = 0, b""
    async with contextlib.aclosing(_events(body, model, calls)) as events:
        async for each in events:
            if isinstance(each, Drawn):
                last = _completed(each)
            else:
                await exchange.events(_partial(each, index))
                index += 1
    await exchange.end(last)


async def _events(body: ImageBody, model: Served, calls: Calls) -> AsyncGenerator[bytes | Drawn, None]:
    if model.paradigm == SEQUENTIAL:
        async with contextlib.aclosing(sequential.draw_in_view(body, model, calls)) as events:
            async for each in events:
                yield each
    else:
        yield await parallel.draw(body, model, calls)


def _partial(png: bytes, index: int) -> bytes:
    kind = "image_generation.partial_image"
    message = PartialImage(type="image_generation.partial_image", partial_image_index=index, **_about(png))
    return event(message.encoded(), kind)


def _completed(drawn: Drawn) -> bytes:
    message = CompletedImage(
        type="image_generation.completed",
        usage=drawn.usage,
        seed=drawn.seed,
        system_fingerprint=drawn.fingerprint or None,
        **_about(drawn.pngs[0]),
    )
    return event(message.encoded(), "image_generation.completed")


def _about(png: bytes) -> dict[str, Any]:
    return {
        "b64_json": in_base64(png),
        "created_at": int(time.time()),
        "size": "auto",
        "quality": "auto",
        "background": "opaque",
        "output_format": "png",
    }
