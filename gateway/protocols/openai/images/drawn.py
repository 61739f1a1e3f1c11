"""What was drawn, by either kind of model: PNG files, the seed that they come from, and what they cost."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.protocols.openai.replies.image import ImageUsage


@dataclass(frozen=True)
class Drawn:
    """Finished images."""

    pngs: Sequence[bytes]
    seed: int
    fingerprint: str
    usage: ImageUsage


def in_base64(png: bytes) -> str:
    """Return a file as JSON carries it."""
    return base64.b64encode(png).decode("ascii")
