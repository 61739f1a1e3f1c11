"""The replies of POST /v1/images/generations: whole, and as events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.protocols.openai.replies.reply import Reply


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
