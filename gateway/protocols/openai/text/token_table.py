"""The tokens of one text as completions report them: four lists, and where in the text each token begins."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from gateway.protocols.openai.messages import Reply

_REPLACEMENT = "\ufffd"
_Decoder = codecs.getincrementaldecoder("utf-8")


class CompletionLogprobs(Reply):
    """Of the tokens of a text, in four lists of equal length."""

    text_offset: list[int] = Field(
        description="Characters of the text before each token; only about behind U+FFFD, which is no text."
    )
    tokens: list[str] = Field(description="Each token; of one that is no whole characters, bytes:\\xNN and so on.")
    token_logprobs: list[float | None] = Field(description="Natural logarithms; null for the first of a prompt.")
    top_logprobs: list[dict[str, float] | None] = Field(description="The alternatives, and the token itself.")


class TokenTable:
    """Takes tokens one after another; tokens of `silent` ids add nothing to the text."""

    def __init__(self, silent: Iterable[int] = ()) -> None:
        self._silent = frozenset(silent)
        self._decoder = _Decoder("replace")
        self._offset = 0
        self._taken = _no_rows()

    def add_first(self, token: bytes, is_text: bool = True) -> None:
        """Take the first token of a prompt, which has no probability."""
        self._add(token, None, None, is_text)

    def add(self, entries: Iterable[Any], is_text: bool = False) -> None:
        """Take TokenLogprob messages. `is_text`: also control tokens, as in an echoed prompt, are written out."""
        for entry in entries:
            shown = is_text or entry.token_id not in self._silent
            self._add(entry.token, entry.logprob, _top(entry), shown)

    def take(self) -> CompletionLogprobs:
        """Return what was added since the last time."""
        taken, self._taken = self._taken, _no_rows()
        return taken

    def _add(self, token: bytes, logprob: float | None, top: dict[str, float] | None, is_text: bool) -> None:
        self._taken.text_offset.append(self._offset + (self._breaks_off(token) if is_text else 0))
        self._taken.tokens.append(to_text(token))
        self._taken.token_logprobs.append(logprob)
        self._taken.top_logprobs.append(top)
        if is_text:
            self._offset += len(self._decoder.decode(token))

    def _breaks_off(self, token: bytes) -> bool:
        """Return whether a character that was begun before the token is none: U+FFFD then stands for its bytes."""
        begun = self._decoder.getstate()[0]
        return bool(begun) and _Decoder("replace").decode(begun + token).startswith(_REPLACEMENT)


def _no_rows() -> CompletionLogprobs:
    return CompletionLogprobs(text_offset=[], tokens=[], token_logprobs=[], top_logprobs=[])


def to_text(token: bytes) -> str:
    """Return a token as text; of one that is no whole characters, its bytes, so that no two look the same."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)


def _top(entry: Any) -> dict[str, float]:
    """Return the alternatives and the token itself; of two that look the same, the better one."""
    top: dict[str, float] = {}
    for token in (*entry.alternatives, entry):
        top.setdefault(to_text(token.token), token.logprob)
    return top
