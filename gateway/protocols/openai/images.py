"""POST /v1/images/generations: its body, its replies, and how a drawing becomes them, whole or as events."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainSerializer

from gateway.protocols.catalogue import Served
from gateway.protocols.openai.document import Path
from gateway.protocols.openai.exchange import Answer, Calls, event
from gateway.protocols.openai.messages import Body, Int32, Seed, WholeReply, limits
from gateway.protocols.together import each_of
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument


class ImageBody(Body):
    """What to draw. Models draw classes, so a prompt is the name of one, or its number."""

    prompt: str = Field(description="A class: its name or its number. Empty: of a model that draws any, any.")
    model: str | None = Field(None, description="Name of an image model; absent: the first there is.")
    n: Annotated[Int32, limits(minimum=1)] | None = Field(None, description="Images; default 1.")
    size: str | None = Field(None, description="The model's own, as 28x28, or auto (default).")
    seed: Seed | None = Field(None, description="Tandem's: as in completions; the same for all n.")
    stream: bool | None = Field(None, description="True: server-sent events.")
    partial_images: Annotated[Int32, limits(minimum=0, maximum=3)] | None = Field(
        None, description="With stream: how many unfinished images to send, 0 (default) to 3; for a sequential model."
    )
    steps: Annotated[Int32, limits(minimum=1)] | None = Field(
        None, description="Tandem's: steps that draw an image, 1 to its tokens (default); of a model that takes steps."
    )
    user: str | None = Field(None, description="Ignored.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "background": ("auto", "opaque"),
        "image": (),
        "input_fidelity": (),
        "mask": (),
        "moderation": ("auto", "low"),
        "output_compression": (100,),
        "output_format": ("png",),
        "quality": ("auto", "standard", "hd", "low", "medium", "high"),
        "response_format": ("b64_json",),
        "style": ("vivid", "natural"),
    }


Png = Annotated[bytes, PlainSerializer(lambda png: base64.b64encode(png).decode(), return_type=str)]


class Image(WholeReply):
    """A PNG file."""

    b64_json: Png


class ImageTokensDetails(WholeReply):
    image_tokens: int = 0
    text_tokens: int


class ImageUsage(WholeReply):
    """In tokens; all zero of a model that draws in parallel, which has none."""

    input_tokens: int
    input_tokens_details: ImageTokensDetails
    output_tokens: int
    total_tokens: int


class Images(WholeReply):
    """The whole reply. Image i was drawn from (seed, i)."""

    created: int = Field(description="Seconds since 1970.")
    data: list[Image]
    output_format: Literal["png"] = "png"
    usage: ImageUsage
    model: str
    seed: int = Field(description="Tandem's: the seed used, given or drawn.")
    system_fingerprint: str | None = Field(description="Tandem's: as in completions.")


class ImageEvent(WholeReply):
    """What both events have. Sizes and qualities are those that OpenAI's clients know: the model's own is auto."""

    b64_json: Png
    created_at: int
    size: Literal["auto"] = "auto"
    quality: Literal["auto"] = "auto"
    background: Literal["opaque"] = "opaque"
    output_format: Literal["png"] = "png"


class PartialImage(ImageEvent):
    """An image as far as it is drawn; what its tokens do not cover yet is black."""

    type: Literal["image_generation.partial_image"] = "image_generation.partial_image"
    partial_image_index: int


class CompletedImage(ImageEvent):
    """A finished image."""

    type: Literal["image_generation.completed"] = "image_generation.completed"
    usage: ImageUsage
    seed: int
    system_fingerprint: str | None


def class_of(prompt: str, model: Any) -> int | None:
    """Return the number of the class that a prompt names, None if it is empty. Raises InvalidArgument.

    `model` is a Model message of either service. Names count whatever their case.
    """
    wanted = prompt.strip()
    if not wanted:
        return None
    names = [name.casefold() for name in model.class_names]
    if wanted.casefold() in names:
        return names.index(wanted.casefold())
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= 9 and int(wanted) < model.num_classes:
        return int(wanted)
    if not model.num_classes:
        raise InvalidArgument("prompt", prompt, "nothing: this model has no classes")
    or_names = f", or a name: {', '.join(model.class_names)}" if model.class_names else ""
    raise InvalidArgument("prompt", prompt, f"a class, 0 to {model.num_classes - 1}{or_names}")


MAX_PARTIAL_IMAGES = 3

_NAMES_OF_SAMPLE = {"count": "n", "labels": "prompt"}
_NAMES_OF_GENERATE = {"sampling": "", "class_label": "prompt"}


async def generate(body: ImageBody, calls: Calls) -> Answer:
    """Answer in one piece or in events. Raises TandemError."""
    model = calls.catalogue.image(body.model)
    calls.will_be("Generate" if model.is_sequential else "Sample")
    _check_options(body, model)
    if body.stream and model.is_sequential:
        return _stream(body, calls, _generate_request(body, model))
    pngs, about = await _draw(body, model, calls)
    if body.stream:
        return each_of([_last_event(pngs[0], about)])
    images = [Image(b64_json=png) for png in pngs]
    return Images(created=int(time.time()), data=images, model=model.name, **about).to_json()


PATH = Path(
    "/v1/images/generations", "Draw images", generate, "Sample", ImageBody, Images, (PartialImage, CompletedImage)
)


def _check_options(body: ImageBody, model: Served) -> None:
    height, width, _ = model.described.image_shape
    if body.size not in (None, "auto", f"{width}x{height}"):
        raise InvalidArgument("size", body.size, f"'{width}x{height}' or 'auto'")
    most = MAX_PARTIAL_IMAGES if body.stream and model.is_sequential else 0
    if not 0 <= (body.partial_images or 0) <= most:
        accepted = "0 to 3, with stream, of a model that draws in sequence; else 0"
        raise InvalidArgument("partial_images", body.partial_images, accepted)
    if body.steps is not None and not model.is_sequential:
        raise InvalidArgument("steps", body.steps, "nothing: this model draws in one pass")
    if body.stream and body.n not in (None, 1):
        raise InvalidArgument("n", body.n, "1 with stream")


async def _draw(body: ImageBody, model: Served, calls: Calls) -> tuple[Sequence[bytes], Mapping[str, Any]]:
    """Return the finished images, and what replies say besides: tokens one after another, or all in one pass."""
    if model.is_sequential:
        whole = await calls.whole(_generate_request(body, model), _NAMES_OF_GENERATE)
        return [choice.image.png[0] for choice in whole.choices], _about(whole.usage)
    label = class_of(body.prompt, model.described)  # without one, each image's class is drawn from the seed
    request = gan_pb2.SampleRequest(
        model=model.name,
        count=body.n,
        seed=body.seed,
        labels=[] if label is None else [label],
        encoding=images_pb2.ENCODING_PNG,
    )
    reply = await calls.unary("Sample", request, _NAMES_OF_SAMPLE)
    return reply.images.png, _about(reply)


def _about(source: Any) -> Mapping[str, Any]:
    """Return what replies say besides the images: `source` is a Usage, or a reply of a model without tokens."""
    prompt, output = getattr(source, "prompt_tokens", 0), getattr(source, "output_tokens", 0)
    details = ImageTokensDetails(text_tokens=prompt)  # a class counts as text
    usage = ImageUsage(
        input_tokens=prompt, input_tokens_details=details, output_tokens=output, total_tokens=prompt + output
    )
    return {"usage": usage, "seed": source.seed, "system_fingerprint": source.fingerprint or None}


def _last_event(png: bytes, about: Mapping[str, Any]) -> bytes:
    whole = CompletedImage(b64_json=png, created_at=int(time.time()), **about)
    return event(whole.to_json(), whole.type)


async def _stream(body: ImageBody, calls: Calls, request: ar_pb2.GenerateRequest) -> AsyncGenerator[bytes, None]:
    """Yield `body.partial_images` images of the unfinished one, evenly spread, and then the finished one.

    An image of fewer steps has fewer that are not finished.
    """
    request.num_partial_images = body.partial_images or 0
    num_shown = 0
    async with contextlib.aclosing(calls.stream("Generate", request, _NAMES_OF_GENERATE)) as messages:
        async for message in messages:
            if message.finish_reason:
                yield _last_event(message.image.png[0], _about(message.usage))
            elif message.HasField("image"):
                now, png = int(time.time()), message.image.png[0]
                partial = PartialImage(b64_json=png, created_at=now, partial_image_index=num_shown)
                yield event(partial.to_json(), partial.type)
                num_shown += 1


def _generate_request(body: ImageBody, model: Served) -> ar_pb2.GenerateRequest:
    label = class_of(body.prompt, model.described)
    if label is None:
        raise InvalidArgument("prompt", body.prompt, f"a class, 0 to {model.described.num_classes - 1}, or its name")
    sampling = ar_pb2.SamplingParams(seed=body.seed, n=body.n, steps=body.steps)
    return ar_pb2.GenerateRequest(
        model=model.name, class_label=label, sampling=sampling, image_encoding=images_pb2.ENCODING_PNG
    )
