"""What a text model can be asked to continue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


Prompt: TypeAlias = str | Sequence[Message] | Sequence[int] | int
"""Plain text to go on with; a conversation, the oldest message first; token ids; or, for image models, a class."""
