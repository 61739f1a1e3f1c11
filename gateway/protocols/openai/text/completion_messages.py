"""The body of POST /v1/completions, and its replies: whole, and in chunks of the same shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gateway.protocols.openai.messages import Int32, Reply
from gateway.protocols.openai.text.replies import Finish, TextReply, Usage
from gateway.protocols.openai.text.sampling import SamplingBody, Strings, TokenIds
from tandem.shared.errors import InvalidArgument

DEFAULT_MAX_TOKENS = 16
MAX_PROMPTS = 256


class CompletionBody(SamplingBody):
    """One prompt or many; choice i of prompt p has the index p x n + i."""

    prompt: str | Strings | TokenIds | Annotated[list[TokenIds], Field(fail_fast=True)] = Field(
        description="A text, a list of up to 256 texts, token ids, or a list of up to 256 lists of them."
    )
    max_tokens: Int32 | None = Field(None, description="1 to the context's rest, default 16; with echo also 0.")
    echo: bool | None = Field(None, description="True: the prompt before the output, with logprobs of its tokens too.")
    logprobs: Int32 | None = Field(None, description="Alternatives of each token, 0 to 20; absent: no logprobs.")
    best_of: Int32 | None = Field(None, description="Only the value of n.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **SamplingBody.unsupported,
        "prompt_embeds": (),
        "suffix": (),
    }

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts one by one: texts or token ids. Raises InvalidArgument for none, or too many."""
        single = isinstance(self.prompt, str) or (bool(self.prompt) and isinstance(self.prompt[0], int))
        prompts: list[Any] = [self.prompt] if single else list(self.prompt)
        if not 1 <= len(prompts) <= MAX_PROMPTS:
            raise InvalidArgument("prompt", f"{len(prompts)} prompts", f"1 to {MAX_PROMPTS}")
        return prompts

    @property
    def has_logprobs(self) -> bool:
        return self.logprobs is not None

    @property
    def num_tokens(self) -> int:
        """The most tokens to generate. Raises InvalidArgument for none without an echo, and for a wrong best_of."""
        if self.best_of is not None and self.best_of != self.num_choices:
            raise InvalidArgument("best_of", self.best_of, f"{self.num_choices}, as n: choices are not ranked here")
        num_tokens = DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens
        if num_tokens == 0 and not self.echo:
            raise InvalidArgument("max_tokens", 0, "1 to the context's rest; 0 with echo alone")
        return num_tokens


class CompletionLogprobs(Reply):
    """Of the tokens of a text, in four lists of equal length."""

    text_offset: list[int] = Field(
        description="Characters of the text before each token; only about behind U+FFFD, which is no text."
    )
    tokens: list[str] = Field(description="Each token; of one that is no whole characters, bytes:\\xNN and so on.")
    token_logprobs: list[float | None] = Field(description="Natural logarithms; null for the first of a prompt.")
    top_logprobs: list[dict[str, float] | None] = Field(description="The alternatives, and the token itself.")


class CompletionChoice(Reply):
    """One continuation of one prompt, or what a chunk adds to it."""

    index: int = Field(description="Prompt's place x n + choice.")
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Finish | None = Field(description="null in chunks before the last of a choice.")
    stop_reason: str | None = Field(description="vLLM's: the stop string that was met, if it was one.")


class Completion(TextReply):
    """The reply, or a chunk of it."""

    object: Literal["text_completion"]
    choices: list[CompletionChoice]
    usage: Usage | None = Field(None, description="In chunks: present if asked for; null before the last.")
