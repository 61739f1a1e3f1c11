"""The body of POST /v1/images/generations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from gateway.protocols.openai.requests.body import Body, Int32, UInt64OrNegative


class ImageBody(Body):
    """What to draw. Models draw classes, so a prompt is the name of one, or its number."""

    prompt: str = Field(description="A class: its name or its number. Empty: of a model that draws any, any.")
    model: str | None = Field(None, description="Name of an image model; absent: the first there is.")
    n: Int32 | None = Field(None, description="Images; default 1.")
    size: str | None = Field(None, description="The model's own, as 28x28, or auto (default).")
    seed: UInt64OrNegative | None = Field(None, description="Tandem's: as in completions; the same for all n.")
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
