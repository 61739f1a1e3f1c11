"""The body of POST /v1/images/generations, and its replies: whole, and as events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from gateway.protocols.openai.messages import Body, Int32, Reply, Seed


class ImageBody(Body):
    """What to draw. Models draw classes, so a prompt is the name of one, or its number."""

    prompt: str = Field(description="A class: its name or its number. Empty: of a model that draws any, any.")
    model: str | None = Field(None, description="Name of an image model; absent: the first there is.")
    n: Int32 | None = Field(None, description="Images; default 1.")
    size: str | None = Field(None, description="The model's own, as 28x28, or auto (default).")
    seed: Seed | None = Field(None, description="Tandem's: as in completions; the same for all n.")
    stream: bool | None = Field(None, description="True: server-sent events.")
    partial_images: Int32 | None = Field(
        None, description="With stream: how many unfinished images to send, 0 (default) to 3; for a sequential model."
    )
    steps: Int32 | None = Field(
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


class Image(Reply):
    """A PNG file."""

    b64_json: str


class ImageTokensDetails(Reply):
    image_tokens: int
    text_tokens: int


class ImageUsage(Reply):
    """In tokens; all zero of a model that draws in parallel, which has none."""

    input_tokens: int
    input_tokens_details: ImageTokensDetails
    output_tokens: int
    total_tokens: int


class Images(Reply):
    """The whole reply. Image i was drawn from (seed, i)."""

    created: int = Field(description="Seconds since 1970.")
    data: list[Image]
    output_format: Literal["png"]
    usage: ImageUsage
    model: str
    seed: int = Field(description="Tandem's: the seed used, given or drawn.")
    system_fingerprint: str | None = Field(description="Tandem's: as in completions.")


class ImageEvent(Reply):
    """What both events have. Sizes and qualities are those that OpenAI's clients know: the model's own is auto."""

    b64_json: str
    created_at: int
    size: Literal["auto"]
    quality: Literal["auto"]
    background: Literal["opaque"]
    output_format: Literal["png"]


class PartialImage(ImageEvent):
    """An image as far as it is drawn; what its tokens do not cover yet is black."""

    type: Literal["image_generation.partial_image"]
    partial_image_index: int


class CompletedImage(ImageEvent):
    """A finished image."""

    type: Literal["image_generation.completed"]
    usage: ImageUsage
    seed: int
    system_fingerprint: str | None


def image_usage(prompt_tokens: int, output_tokens: int) -> ImageUsage:
    """Return the sum with its parts; a class counts as text."""
    return ImageUsage(
        input_tokens=prompt_tokens,
        input_tokens_details=ImageTokensDetails(image_tokens=0, text_tokens=prompt_tokens),
        output_tokens=output_tokens,
        total_tokens=prompt_tokens + output_tokens,
    )
