"""One prompt of a completion, and the choices that continue it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any

from gateway.http.in_thread import in_thread_if
from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.catalogue import Served
from gateway.protocols.openai.replies.completion import CompletionChoice
from gateway.protocols.openai.replies.reply import FINISH_REASONS
from gateway.protocols.openai.requests.completion import CompletionBody
from gateway.protocols.openai.text.consumed import Consumed, Running
from gateway.protocols.openai.text.echo import Echo, Prompt, echoed
from gateway.protocols.openai.text.token_table import TokenTable
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

MAX_CHOICES = 16
"""What the backends accept; asked of them for nothing but output."""


@dataclass(frozen=True)
class Continuation:
    """One prompt of a body, and its choices."""

    body: CompletionBody
    model: Served
    calls: Calls
    place: int
    prompt: Prompt

    @property
    def names(self) -> Names:
        """How the body calls the fields of our messages."""
        field = f"prompt[{self.place}]" if len(self.body.prompts) > 1 else "prompt"
        about_prompt = dict.fromkeys(("text", "tokens.token_lists[0].ids", "tokens.ids", "tokens", "ids"), field)
        return {**self.body.names_of_sampling, "top_logprobs": "logprobs", **about_prompt}

    @property
    def _has_logprobs(self) -> bool:
        """Whether choices have an entry for each token, and one for each of its alternatives."""
        return self.body.logprobs is not None

    def request(self) -> ar_pb2.GenerateRequest:
        """Return the request of the contract. Raises InvalidArgument."""
        request = ar_pb2.GenerateRequest(
            model=self.model.name,
            sampling=self.body.sampling(self.body.num_tokens),
            logprobs=self._has_logprobs,
            top_logprobs=self.body.logprobs or 0,
        )
        if isinstance(self.prompt, str):
            request.text = self.prompt
        else:
            request.tokens.ids.extend(self.prompt)
        return request

    async def choices(self, consumed: Consumed) -> list[CompletionChoice]:
        """Return all choices, the prompt before each if it is to be echoed."""
        request, echo = self.request(), await self._echo()
        if not self.body.num_tokens:
            return await in_thread_if(self._has_logprobs, self._prompt_alone, echo, consumed)
        reply = await self.calls.whole(request, self.names)
        consumed.add(reply.usage)
        return await in_thread_if(self._has_logprobs, self._choices, echo, reply.choices)

    async def stream(self, consumed: Consumed) -> AsyncGenerator[tuple[CompletionChoice, dict[str, Any]], None]:
        """Yield what is added to a choice, and usage so far if it is wanted."""
        if not self.body.num_tokens:
            for choice in await self.choices(consumed):
                yield choice, {}
            return
        request, echo = self.request(), await self._echo()
        running = await self._running(echo)
        tables: dict[int, TokenTable] = {}
        async with contextlib.aclosing(self.calls.stream("Generate", request, self.names)) as messages:
            async for message in messages:
                if message.HasField("usage"):
                    consumed.add(message.usage)
                if message.token_ids or message.finish_reason or message.text_delta:
                    is_first = message.choice_index not in tables
                    table = tables.setdefault(message.choice_index, self._table())
                    has_prompt = is_first and echo is not None and self._has_logprobs
                    choice = await in_thread_if(has_prompt, self._choice, echo, message, is_first, table)
                    yield choice, {"usage": running.after(message)} if running else {}

    async def _echo(self) -> Echo | None:
        if not self.body.echo:
            return None
        is_alone = not self.body.num_tokens
        return await echoed(self.prompt, self.body.logprobs, self.calls, self.model, self.names, is_alone)

    async def _running(self, echo: Echo | None) -> Running | None:
        if not self.body.continues_usage:
            return None
        prompt = echo or await echoed(self.prompt, None, self.calls, self.model, self.names)
        return Running(len(prompt.ids))

    def _prompt_alone(self, echo: Echo | None, consumed: Consumed) -> list[CompletionChoice]:
        """Return the choices of a body that asks for no output."""
        if not 1 <= self.body.num_choices <= MAX_CHOICES:
            raise InvalidArgument("n", self.body.num_choices, f"1 to {MAX_CHOICES}")
        consumed.add_prompt(len(echo.ids) if echo else 0)
        empty = [
            ar_pb2.GenerateResponse(choice_index=index, finish_reason=ar_pb2.FINISH_REASON_LENGTH)
            for index in range(self.body.num_choices)
        ]
        return self._choices(echo, empty)

    def _choices(self, echo: Echo | None, messages: Iterable[Any]) -> list[CompletionChoice]:
        return [self._choice(echo, each, is_first=True) for each in messages]

    def _table(self) -> TokenTable:
        return TokenTable(self.model.described.special_token_ids)

    def _choice(
        self, echo: Echo | None, message: Any, is_first: bool, table: TokenTable | None = None
    ) -> CompletionChoice:
        """Return what a message adds to its choice; to the first of a choice belongs the prompt."""
        table = table or self._table()
        text = message.text_delta
        if echo is not None and is_first:
            text = echo.text + text
            if self._has_logprobs:
                echo.enter(table)
        table.add(message.logprobs)
        return CompletionChoice(
            index=self.place * self.body.num_choices + message.choice_index,
            text=text,
            logprobs=table.take() if self._has_logprobs else None,
            finish_reason=FINISH_REASONS.get(message.finish_reason),
            stop_reason=message.matched_stop or None,
        )
