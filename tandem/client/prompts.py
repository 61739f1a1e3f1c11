"""What a sequential model can be asked to continue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True)
class ClassLabel:
    """What an image model is to draw: the number of a class, 0 to the model's num_classes - 1."""

    number: int


Prompt: TypeAlias = str | Sequence[Message] | Sequence[int] | ClassLabel
"""Plain text to go on with; a conversation, the oldest message first; token ids; or, for image models, a class."""
