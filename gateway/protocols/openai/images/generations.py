"""POST /v1/images/generations: whole, or as events."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import AsyncGenerator, Iterable
from typing import Any, NamedTuple

from gateway.protocols.catalogue import Served
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.exchange import OpenAiExchange, event
from gateway.protocols.openai.images.classes import check_size, class_of
from gateway.protocols.openai.images.messages import (
    CompletedImage,
    Image,
    ImageBody,
    Images,
    ImageUsage,
    PartialImage,
    image_usage,
)
from gateway.protocols.openai.messages import to_unsigned
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument

MAX_PARTIAL_IMAGES = 3

_NAMES_OF_SAMPLE = {"count": "n", "labels": "prompt"}
_NAMES_OF_GENERATE = {"sampling": "", "class_label": "prompt"}


class Drawing(NamedTuple):
    """Finished images as PNG files, the seed that they come from, and what they cost."""

    pngs: list[bytes]
    seed: int
    fingerprint: str
    usage: ImageUsage

    def about(self) -> dict[str, Any]:
        """Return what replies say besides the images."""
        return {"usage": self.usage, "seed": self.seed, "system_fingerprint": self.fingerprint or None}


async def generate(body: ImageBody, calls: Calls, exchange: OpenAiExchange) -> None:
    """Answer in one piece or in events. Raises TandemError."""
    model = calls.catalogue.image(body.model)
    calls.will_be("Generate" if model.is_sequential else "Sample")
    check_size(body.size, model.described)
    _check_options(body, model)
    if body.stream:
        await _stream(body, model, calls, exchange)
        return
    drawing = await _draw(body, model, calls)
    images = [Image(b64_json=_to_base64(png)) for png in drawing.pngs]
    reply = Images(created=int(time.time()), data=images, output_format="png", model=model.name, **drawing.about())
    await exchange.reply_with(reply)


def _check_options(body: ImageBody, model: Served) -> None:
    most = MAX_PARTIAL_IMAGES if body.stream and model.is_sequential else 0
    if not 0 <= (body.partial_images or 0) <= most:
        accepted = "0 to 3, with stream, of a model that draws in sequence; else 0"
        raise InvalidArgument("partial_images", body.partial_images, accepted)
    if body.steps is not None and not model.is_sequential:
        raise InvalidArgument("steps", body.steps, "nothing: this model draws in one pass")
    if body.stream and body.n not in (None, 1):
        raise InvalidArgument("n", body.n, "1 with stream")


async def _draw(body: ImageBody, model: Served, calls: Calls) -> Drawing:
    """Return all images, when they are finished: tokens one after another, or all in one pass. Raises TandemError."""
    if model.is_sequential:
        whole = await calls.whole(_generate_request(body, model), _NAMES_OF_GENERATE)
        return _drawing([choice.image.png[0] for choice in whole.choices], whole.usage)
    label = class_of(body.prompt, model.described)  # without one, each image's class is drawn from the seed
    request = gan_pb2.SampleRequest(
        model=model.name,
        count=body.n,
        seed=to_unsigned(body.seed),
        labels=[] if label is None else [label],
        encoding=images_pb2.ENCODING_PNG,
    )
    reply = await calls.unary("Sample", request, _NAMES_OF_SAMPLE)
    return Drawing(list(reply.images.png), reply.seed, reply.fingerprint, image_usage(0, 0))


async def _stream(body: ImageBody, model: Served, calls: Calls, exchange: OpenAiExchange) -> None:
    num_shown, last = 0, b""
    async with contextlib.aclosing(_draw_in_view(body, model, calls)) as steps:
        async for step in steps:
            if isinstance(step, Drawing):
                whole = CompletedImage(type="image_generation.completed", **step.about(), **_image(step.pngs[0]))
                last = event(whole.to_json(), whole.type)
            else:
                kind: Any = "image_generation.partial_image"
                partial = PartialImage(type=kind, partial_image_index=num_shown, **_image(step))
                await exchange.events(event(partial.to_json(), kind))
                num_shown += 1
    await exchange.end(last)


async def _draw_in_view(body: ImageBody, model: Served, calls: Calls) -> AsyncGenerator[bytes | Drawing, None]:
    """Yield `body.partial_images` PNG files of the unfinished image, evenly spread, and then the finished one."""
    if not model.is_sequential:
        yield await _draw(body, model, calls)
        return
    request, wanted = _generate_request(body, model), body.partial_images or 0
    request.partial_images = wanted > 0
    num_tokens, num_drawn, num_shown = model.described.tokens_per_image, 0, 0
    async with contextlib.aclosing(calls.stream("Generate", request, _NAMES_OF_GENERATE)) as messages:
        async for message in messages:
            num_drawn += len(message.token_ids)
            if message.finish_reason:
                yield _drawing(message.image.png, message.usage)
            elif num_shown < wanted and num_drawn * (wanted + 1) >= num_tokens * (num_shown + 1):
                num_shown += 1
                yield message.image.png[0]


def _generate_request(body: ImageBody, model: Served) -> ar_pb2.GenerateRequest:
    label = class_of(body.prompt, model.described)
    if label is None:
        raise InvalidArgument("prompt", body.prompt, f"a class, 0 to {model.described.num_classes - 1}, or its name")
    sampling = ar_pb2.SamplingParams(seed=to_unsigned(body.seed), n=body.n, steps=body.steps)
    return ar_pb2.GenerateRequest(
        model=model.name, class_label=label, sampling=sampling, image_encoding=images_pb2.ENCODING_PNG
    )


def _drawing(pngs: Iterable[bytes], usage: Any) -> Drawing:
    return Drawing(list(pngs), usage.seed, usage.fingerprint, image_usage(usage.prompt_tokens, usage.output_tokens))


def _image(png: bytes) -> dict[str, Any]:
    return {
        "b64_json": _to_base64(png),
        "created_at": int(time.time()),
        "size": "auto",
        "quality": "auto",
        "background": "opaque",
        "output_format": "png",
    }


def _to_base64(png: bytes) -> str:
    return base64.b64encode(png).decode("ascii")
