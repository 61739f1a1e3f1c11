"""What completions and chat have in common: a prompt and its choices, usage, and the reply that all prompts make."""

from __future__ import annotations

import contextlib
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

from pydantic import Field

from gateway.http.in_thread import in_thread_if
from gateway.protocols.catalogue import Served
from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.exchange import DONE, OpenAiExchange, event
from gateway.protocols.openai.messages import Reply, to_json_with
from gateway.protocols.openai.text.sampling import SamplingBody
from gateway.protocols.together import merge, run_all
from tandem.ar.v1 import ar_pb2

Finish = Literal["stop", "length"]

FINISH_REASONS: dict[int, Finish] = {
    ar_pb2.FINISH_REASON_STOP: "stop",
    ar_pb2.FINISH_REASON_LENGTH: "length",
}


class PromptTokensDetails(Reply):
    """Of the tokens of prompts."""

    cached_tokens: int = Field(description="Tokens whose keys and values were found in the cache, >= 0.")


class Usage(Reply):
    """What a request consumed, in tokens."""

    prompt_tokens: int = Field(description="Of all prompts, each counted once.")
    completion_tokens: int = Field(description="Of all choices, end tokens included.")
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class TextReply(Reply):
    """A reply, or a chunk of one."""

    id: str
    object: str
    created: int = Field(description="Seconds since 1970.")
    model: str
    system_fingerprint: str | None = Field(
        description="Names all that outputs depend on besides the request: with it, the same seed gives the same bytes."
    )


class Consumed:
    """What the calls of one request have consumed so far, added up, and the fingerprints that the backends sent."""

    def __init__(self, prompt_tokens: int = 0) -> None:
        self._prompt_tokens = prompt_tokens
        self._output_tokens = 0
        self._cached_tokens = 0
        self._fingerprints: set[str] = set()

    def add(self, usage: Any) -> None:
        """Take the Usage of a call that has ended."""
        self.add_tokens(usage.prompt_tokens, usage.output_tokens)
        self._cached_tokens += usage.cached_tokens
        self._fingerprints.add(usage.fingerprint)

    def add_tokens(self, prompt_tokens: int, output_tokens: int) -> None:
        """Take what a call has consumed so far, or a prompt without output."""
        self._prompt_tokens += prompt_tokens
        self._output_tokens += output_tokens

    @property
    def fingerprint(self) -> str | None:
        """That of all calls, None if they differ."""
        return next(iter(self._fingerprints)) if len(self._fingerprints) == 1 else None

    def usage(self) -> Usage:
        """Return the sum with its parts."""
        return Usage(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._output_tokens,
            total_tokens=self._prompt_tokens + self._output_tokens,
            prompt_tokens_details=PromptTokensDetails(cached_tokens=self._cached_tokens),
        )


UsageSoFar = Mapping[str, Usage]
"""The field `usage` of a chunk, empty where none was asked for."""


class Generation(ABC):
    """One prompt; `names` say how the body calls the fields of our messages."""

    names: Names

    def __init__(self, body: SamplingBody, model: Served, calls: Calls) -> None:
        self._sampling_body = body
        self._model = model
        self._calls = calls

    @abstractmethod
    def request(self) -> ar_pb2.GenerateRequest:
        """Return the request of the contract. Raises InvalidArgument."""

    @abstractmethod
    def _choice(self, message: Any) -> Reply:
        """Return the choice that a message is all of."""

    @abstractmethod
    async def _parts(self, message: Any, is_first: bool) -> Sequence[Reply]:
        """Return what a message of a stream adds to its choice, the first that adds anything or a later one."""

    @abstractmethod
    async def _count_prompt(self) -> int:
        """Return how many tokens the prompt has."""

    async def _prepare(self) -> None:  # noqa: B027  most need nothing
        """Ask for what the choices show besides the output."""

    async def whole(self, consumed: Consumed) -> Iterable[Reply]:
        """Return the choices; each is made when it is asked for. Raises TandemError."""
        request = self.request()
        await self._prepare()
        reply = await self._calls.whole(request, self.names)
        consumed.add(reply.usage)
        return map(self._choice, reply.choices)

    async def stream(self, consumed: Consumed) -> AsyncGenerator[tuple[Sequence[Reply], UsageSoFar], None]:
        """Yield what is added to choices, and usage so far if the body asks for that. Raises TandemError."""
        request, begun = self.request(), set[int]()
        await self._prepare()
        running = Consumed(await self._count_prompt()) if self._sampling_body.continues_usage else None
        async with contextlib.aclosing(self._calls.stream("Generate", request, self.names)) as messages:
            async for message in messages:
                if message.HasField("usage"):
                    consumed.add(message.usage)
                if running is not None:
                    running.add_tokens(0, len(message.token_ids))
                if parts := await self._parts(message, is_first=message.choice_index not in begun):
                    begun.add(message.choice_index)
                    yield parts, {"usage": running.usage()} if running else {}


class Shape(NamedTuple):
    """What a kind of reply looks like: what its id begins with, and the objects that it is whole and in chunks."""

    prefix: str
    whole: type[Any]
    name: str
    chunk: type[Any]
    name_of_chunk: str


async def answer(
    body: SamplingBody,
    model: Served,
    generations: Sequence[Generation],
    shape: Shape,
    calls: Calls,
    exchange: OpenAiExchange,
) -> None:
    """Answer with the choices of all generations, in one piece or in chunks. Raises TandemError."""
    consumed, about = Consumed(), {"id": f"{shape.prefix}-{uuid.uuid4().hex}", "created": int(time.time())}
    head: dict[str, Any] = {**about, "model": model.name, "system_fingerprint": calls.catalogue.fingerprint(model)}
    if body.stream:
        await _stream(body, head, generations, shape, consumed, exchange)
        return
    choices = await run_all([generation.whole(consumed) for generation in generations])
    head["system_fingerprint"] = consumed.fingerprint
    empty = shape.whole(**head, object=shape.name, choices=[], usage=consumed.usage())
    reply = await in_thread_if(body.has_logprobs, to_json_with, empty, chain.from_iterable(choices))
    await exchange.reply_json(reply)


async def _stream(
    body: SamplingBody,
    head: Mapping[str, Any],
    generations: Sequence[Generation],
    shape: Shape,
    consumed: Consumed,
    exchange: OpenAiExchange,
) -> None:
    without_usage = {"usage": None} if body.includes_usage else {}

    def chunk(choices: Sequence[Reply], **usage: Usage | None) -> bytes:
        reply: Reply = shape.chunk(**head, object=shape.name_of_chunk, choices=choices, **usage)
        return event(reply.to_json())

    streams = [generation.stream(consumed) for generation in generations]
    async with contextlib.aclosing(merge(streams)) as parts:
        async for choices, usage in parts:
            await exchange.events(b"".join(chunk([choice], **(usage or without_usage)) for choice in choices))
    last = chunk([], usage=consumed.usage()) if body.includes_usage else b""
    await exchange.events(last + DONE, is_last=True)
