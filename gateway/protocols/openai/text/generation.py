"""One prompt of a request and the choices that continue it, and the reply that all of a request's prompts make."""

from __future__ import annotations

import contextlib
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from gateway.http.in_thread import in_thread_if
from gateway.protocols.catalogue import Served
from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.exchange import DONE, OpenAiExchange, event
from gateway.protocols.openai.messages import Reply, to_json_with
from gateway.protocols.openai.text.replies import Consumed, Usage
from gateway.protocols.openai.text.sampling import SamplingBody
from gateway.protocols.openai.together import merge, run_all
from tandem.ar.v1 import ar_pb2

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
    async def whole(self, consumed: Consumed) -> Iterable[Reply]:
        """Return the choices; each is made when it is asked for. Raises TandemError."""

    @abstractmethod
    def stream(self, consumed: Consumed) -> AsyncGenerator[tuple[Sequence[Reply], UsageSoFar], None]:
        """Yield what is added to choices, and usage so far. Raises TandemError."""

    @abstractmethod
    async def _count_prompt(self) -> int:
        """Return how many tokens the prompt has."""

    async def _complete(self, request: ar_pb2.GenerateRequest, consumed: Consumed) -> Sequence[Any]:
        reply = await self._calls.whole(request, self.names)
        consumed.add(reply.usage)
        return reply.choices

    async def _messages(
        self, request: ar_pb2.GenerateRequest, consumed: Consumed
    ) -> AsyncGenerator[tuple[Any, UsageSoFar], None]:
        """Yield the messages of a stream, with the usage after each of them if the body asks for that."""
        running = Consumed(await self._count_prompt()) if self._sampling_body.continues_usage else None
        async with contextlib.aclosing(self._calls.stream("Generate", request, self.names)) as messages:
            async for message in messages:
                if message.HasField("usage"):
                    consumed.add(message.usage)
                if running is not None:
                    running.add_tokens(0, len(message.token_ids))
                yield message, {"usage": running.usage()} if running else {}


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
    await exchange.end(last + DONE)
