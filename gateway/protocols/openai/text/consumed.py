"""What the calls of one request have consumed so far, added up."""

from __future__ import annotations

from typing import Any

from gateway.protocols.openai.replies.reply import Usage, usage_of


class Consumed:
    """Counts tokens of prompts and outputs, and keeps the fingerprints that the backends sent."""

    def __init__(self) -> None:
        self._prompt_tokens = 0
        self._output_tokens = 0
        self._cached_tokens = 0
        self.fingerprints: set[str] = set()

    def add(self, usage: Any) -> None:
        """Take the Usage of a call that has ended."""
        self._prompt_tokens += usage.prompt_tokens
        self._output_tokens += usage.output_tokens
        self._cached_tokens += usage.cached_tokens
        self.fingerprints.add(usage.fingerprint)

    def add_prompt(self, num_tokens: int) -> None:
        """Take a prompt without output."""
        self._prompt_tokens += num_tokens

    def usage(self) -> Usage:
        """Return the sum."""
        return usage_of(self._prompt_tokens, self._output_tokens, self._cached_tokens)


class Running:
    """Usage while a stream goes on: `prompt_tokens` were counted before, outputs as they come."""

    def __init__(self, prompt_tokens: int) -> None:
        self._prompt_tokens = prompt_tokens
        self._output_tokens = 0

    def after(self, message: Any) -> Usage:
        """Return it with what a message adds."""
        self._output_tokens += len(message.token_ids)
        return usage_of(self._prompt_tokens, self._output_tokens)
