"""What a sequential model of texts can be asked to continue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


Prompt: TypeAlias = str | Sequence[Message] | Sequence[int]
"""What a user says, which a model without a chat template goes on with; a conversation, the oldest message first; or
token ids. With the option `raw`, a str is plain text to go on with, whatever the model."""
