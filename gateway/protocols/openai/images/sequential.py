"""Images of a model that draws in sequence, token by token: whole, or as far as they are."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.catalogue import Served
from gateway.protocols.openai.images.classes import class_of
from gateway.protocols.openai.images.drawn import Drawn
from gateway.protocols.openai.replies.image import image_usage
from gateway.protocols.openai.requests.image import ImageBody
from gateway.protocols.openai.requests.seed import unsigned
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.shared.errors import InvalidArgument

NAMES: Names = {"sampling": "", "class_label": "prompt"}


def _request(body: ImageBody, model: Served) -> ar_pb2.GenerateRequest:
    label = class_of(body.prompt, model.described)
    if label is None:
        raise InvalidArgument("prompt", body.prompt, f"a class, 0 to {model.described.num_classes - 1}, or its name")
    sampling = ar_pb2.SamplingParams(seed=unsigned(body.seed), n=body.n, steps=body.steps)
    return ar_pb2.GenerateRequest(
        model=model.name, class_label=label, sampling=sampling, image_encoding=images_pb2.ENCODING_PNG
    )


async def draw(body: ImageBody, model: Served, calls: Calls) -> Drawn:
    """Return all images, when they are finished. Raises TandemError."""
    reply = await calls.whole(_request(body, model), NAMES)
    return _drawn([choice.image.png[0] for choice in reply.choices], reply.usage)


async def draw_in_view(body: ImageBody, model: Served, calls: Calls) -> AsyncGenerator[bytes | Drawn, None]:
    """Yield `body.partial_images` PNG files of the unfinished image, evenly spread, and then the finished one."""
    request, wanted = _request(body, model), body.partial_images or 0
    request.partial_images = wanted > 0
    num_tokens, num_drawn, num_shown = model.described.tokens_per_image, 0, 0
    async with contextlib.aclosing(calls.stream("Generate", request, NAMES)) as messages:
        async for message in messages:
            num_drawn += len(message.token_ids)
            if message.finish_reason:
                yield _drawn(message.image.png, message.usage)
            elif num_shown < wanted and num_drawn * (wanted + 1) >= num_tokens * (num_shown + 1):
                num_shown += 1
                yield message.image.png[0]


def _drawn(pngs: Any, usage: Any) -> Drawn:
    consumed = image_usage(usage.prompt_tokens, usage.output_tokens)
    return Drawn(list(pngs), usage.seed, usage.fingerprint, consumed)
