"""POST /v1/completions: its body, its replies whole and in chunks, and the prompt as part of a completion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from gateway.http.parsing import in_thread_if
from gateway.protocols.catalogue import Served
from gateway.protocols.fields import Names
from gateway.protocols.openai.document import Path
from gateway.protocols.openai.exchange import Answer, Calls
from gateway.protocols.openai.messages import Int32, Reply, limits
from gateway.protocols.openai.text.generation import FINISH_REASONS, Finish, Generation, TextReply, Usage, answer
from gateway.protocols.openai.text.sampling import MaxTokens, NumLogprobs, SamplingBody, Strings, TokenIds
from gateway.protocols.openai.text.token_table import CompletionLogprobs, TokenTable
from gateway.protocols.together import each_of
from runtime.rpc.choices import join_messages
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

DEFAULT_MAX_TOKENS = 16
MAX_PROMPTS = 256


class CompletionBody(SamplingBody):
    """One prompt or many; choice i of prompt p has the index p x n + i."""

    prompt: (
        Annotated[str, limits(minLength=1)]
        | Annotated[Strings, limits(minItems=1, maxItems=MAX_PROMPTS)]
        | Annotated[TokenIds, limits(minItems=1)]
        | Annotated[list[TokenIds], Field(fail_fast=True), limits(minItems=1, maxItems=MAX_PROMPTS)]
    ) = Field(description="A text, a list of up to 256 texts, token ids, or a list of up to 256 lists of them.")
    max_tokens: MaxTokens | None = Field(None, description="1 to the context's rest, default 16; with echo also 0.")
    max_completion_tokens: MaxTokens | None = Field(None, description="The same as max_tokens, if both are sent.")
    echo: bool | None = Field(None, description="True: the prompt before the output, with logprobs of its tokens too.")
    logprobs: NumLogprobs | None = Field(None, description="Alternatives of each token, 0 to 20; absent: no logprobs.")
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
    def num_tokens(self) -> int:
        """The most tokens to generate. Raises InvalidArgument for none without an echo, and for a wrong best_of."""
        if self.best_of is not None and self.best_of != self.num_choices:
            raise InvalidArgument("best_of", self.best_of, f"{self.num_choices}, as n: choices are not ranked here")
        if self.max_completion_tokens not in (None, self.max_tokens):
            raise InvalidArgument("max_completion_tokens", self.max_completion_tokens, "the same as max_tokens")
        num_tokens = DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens
        if num_tokens == 0 and not self.echo:
            raise InvalidArgument("max_tokens", 0, "1 to the context's rest; 0 with echo alone")
        return num_tokens


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


MAX_CHOICES = 16
"""What the backends accept; asked of them for nothing but output."""


async def complete(body: CompletionBody, calls: Calls) -> Answer:
    """Answer in one piece or in chunks. Raises TandemError."""
    model = calls.catalogue.text(body.model)
    prompts = [Continuation(body, model, calls, place, prompt) for place, prompt in enumerate(body.prompts)]
    completion = partial(Completion, object="text_completion")
    return await answer(prompts, "cmpl", completion, completion)


PATH = Path("/v1/completions", "Continue prompts", complete, "Generate", CompletionBody, Completion, [Completion])


class Continuation(Generation[CompletionBody]):
    """One prompt of a body, and its choices; to the first message of a choice belongs the prompt, if it is echoed."""

    def __init__(self, body: CompletionBody, model: Served, calls: Calls, place: int, prompt: str | list[int]) -> None:
        super().__init__(body, model, calls)
        self._place = place
        self._prompt = prompt
        self._echo: Echo | None = None
        self._tables = defaultdict[int, TokenTable](lambda: TokenTable(model.described.special_token_ids))

    @property
    def names(self) -> Names:
        field = f"prompt[{self._place}]" if len(self.body.prompts) > 1 else "prompt"
        about_prompt = dict.fromkeys(("text", "tokens.token_lists[0].ids", "tokens.ids", "tokens", "ids"), field)
        return {**self.body.names_of_sampling, "top_logprobs": "logprobs", **about_prompt}

    def request(self) -> ar_pb2.GenerateRequest:
        prompt = self._prompt
        return ar_pb2.GenerateRequest(
            model=self.model.name,
            text=prompt if isinstance(prompt, str) else None,
            tokens=None if isinstance(prompt, str) else ar_pb2.TokenPrompt(ids=prompt),
            sampling=self.body.sampling(self.body.num_tokens),
            logprobs=self.body.has_logprobs,
            top_logprobs=self.body.logprobs or 0,
        )

    async def prepare(self) -> None:
        if self.body.echo:
            self._echo = await self._read_echo(self.body.logprobs, is_alone=not self.body.num_tokens)

    async def whole(self) -> ar_pb2.CompleteResponse:
        if self.body.num_tokens:
            return await super().whole()
        self.request()  # is not sent, but may be wrong
        await self.prepare()
        return join_messages(self._without_output())

    def messages(self, request: ar_pb2.GenerateRequest) -> AsyncGenerator[Any, None]:
        return super().messages(request) if self.body.num_tokens else each_of(self._without_output())

    def _without_output(self) -> list[ar_pb2.GenerateResponse]:
        """Return the messages of a body that asks for no output."""
        if not 1 <= self.body.num_choices <= MAX_CHOICES:
            raise InvalidArgument("n", self.body.num_choices, f"1 to {MAX_CHOICES}")
        ended = [
            ar_pb2.GenerateResponse(choice_index=index, finish_reason=ar_pb2.FINISH_REASON_LENGTH)
            for index in range(self.body.num_choices)
        ]
        ended[-1].usage.prompt_tokens = len(self._echo.ids) if self._echo else 0
        return ended

    async def parts(self, message: Any) -> Sequence[CompletionChoice]:
        if not (message.token_ids or message.finish_reason or message.text_delta):
            return ()
        takes_long = self._echo is not None and self.body.has_logprobs and message.choice_index not in self._tables
        return [await in_thread_if(takes_long, self.choice, message)]

    async def count_prompt(self) -> int:
        return len((self._echo or await self._read_echo(None)).ids)

    def choice(self, message: Any) -> CompletionChoice:
        """Return what a message adds to its choice."""
        is_first, text = message.choice_index not in self._tables, message.text_delta
        table = self._tables[message.choice_index]
        if self._echo is not None and is_first:
            text = self._echo.text + text
            if self.body.has_logprobs:
                self._echo.enter(table)
        table.add(message.logprobs)
        return CompletionChoice(
            index=self._place * self.body.num_choices + message.choice_index,
            text=text,
            logprobs=table.take() if self.body.has_logprobs else None,
            finish_reason=FINISH_REASONS.get(message.finish_reason),
            stop_reason=message.matched_stop or None,
        )

    async def _read_echo(self, top_logprobs: int | None, is_alone: bool = False) -> Echo:
        """Return what an echo shows; with log-probabilities unless `top_logprobs` is None. Raises TandemError.

        `is_alone` says that no generation follows: then the first call costs the prompt's request, and its scoring
        nothing.
        """
        prompt, name, ask = self._prompt, self.model.name, partial(self.calls.unary, names=self.names)
        if isinstance(prompt, str):
            cut = await ask("Tokenize", ar_pb2.TokenizeRequest(model=name, text=prompt), is_aid=not is_alone)
            text, ids = prompt, list(cut.ids)
            # What the text does not begin with was put before it.
            begins_with_text = prompt.encode().startswith(cut.tokens[0])
        else:
            cut = await ask("Detokenize", ar_pb2.DetokenizeRequest(model=name, ids=prompt), is_aid=not is_alone)
            text, ids, begins_with_text = cut.text, prompt, True
        scored: Sequence[Any] = ()
        if top_logprobs is not None and len(ids) > 1:
            content = ar_pb2.TokenContent(token_lists=[ar_pb2.TokenPrompt(ids=ids)])
            request = ar_pb2.ScoreRequest(model=name, tokens=content, top_logprobs=top_logprobs)
            scored = (await ask("Score", request, is_aid=is_alone)).likelihoods[0].tokens
        return Echo(text, ids, list(cut.tokens), scored, begins_with_text)


class Echo(NamedTuple):
    """A prompt's text and its tokens; `scored` has a TokenLogprob for every token but the first, if asked for."""

    text: str
    ids: Sequence[int]
    tokens: Sequence[bytes]
    scored: Sequence[Any]
    begins_with_text: bool
    """Whether the first token is a part of the text, and not one that the model puts before it."""

    def enter(self, table: TokenTable) -> None:
        """Add the tokens to a table."""
        table.add_first(self.tokens[0], self.begins_with_text)
        table.add(self.scored, is_text=True)
