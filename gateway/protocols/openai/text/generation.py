"""What completions and chat have in common: a prompt and its choices, usage, and the reply that all prompts make."""

from __future__ import annotations

import contextlib
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from gateway.http.parsing import in_thread_if
from gateway.protocols.catalogue import Served
from gateway.protocols.fields import Names
from gateway.protocols.openai.exchange import DONE, Answer, Calls, event
from gateway.protocols.openai.messages import Reply, to_json_with
from gateway.protocols.openai.text.sampling import SamplingBody
from gateway.protocols.together import merge, run_all
from tandem.ar.v1 import ar_pb2

Finish = Literal["stop", "length", "tool_calls"]

FINISH_REASONS: dict[int, Finish] = {
    ar_pb2.FINISH_REASON_STOP: "stop",
    ar_pb2.FINISH_REASON_LENGTH: "length",
    ar_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
}


class PromptTokensDetails(Reply):
    """Of the tokens of prompts."""

    cached_tokens: int = Field(description="Tokens whose keys and values were found in the cache, >= 0.")


class CompletionTokensDetails(Reply):
    """Of the tokens that the server tried ahead (speculative decoding)."""

    accepted_prediction_tokens: int = Field(description="Tokens that proved to be the ones generated.")
    rejected_prediction_tokens: int = Field(description="The others; completion_tokens does not count them.")


class Usage(Reply):
    """What a request consumed, in tokens."""

    prompt_tokens: int = Field(description="Of all prompts, each counted once.")
    completion_tokens: int = Field(description="Of all choices, end tokens included.")
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails | None = Field(None, description="Present if any were tried.")


class TextReply(Reply):
    """A reply, or a chunk of one."""

    id: str
    object: str
    created: int = Field(description="Seconds since 1970.")
    model: str
    system_fingerprint: str | None = Field(
        description="Names all that outputs depend on besides the request: with it, the same seed gives the same bytes."
    )


def usage_of(parts: Sequence[ar_pb2.Usage]) -> Usage:
    """Return what calls have consumed together."""
    prompt, output = sum(part.prompt_tokens for part in parts), sum(part.output_tokens for part in parts)
    cached, accepted = sum(part.cached_tokens for part in parts), sum(part.accepted_tokens for part in parts)
    details: dict[str, Any] = {"prompt_tokens_details": PromptTokensDetails(cached_tokens=cached)}
    if drafted := sum(part.drafted_tokens for part in parts):
        details["completion_tokens_details"] = CompletionTokensDetails(
            accepted_prediction_tokens=accepted, rejected_prediction_tokens=drafted - accepted
        )
    return Usage(prompt_tokens=prompt, completion_tokens=output, total_tokens=prompt + output, **details)


B = TypeVar("B", bound=SamplingBody)


class Generation(ABC, Generic[B]):
    """One prompt of a body."""

    def __init__(self, body: B, model: Served, calls: Calls) -> None:
        self.body = body
        self.model = model
        self.calls = calls
        self.begun = set[int]()  # choices of which a part has come

    @property
    @abstractmethod
    def names(self) -> Names:
        """How the body calls the fields of our messages."""

    @abstractmethod
    def request(self) -> ar_pb2.GenerateRequest:
        """Return the request of the contract. Raises InvalidArgument."""

    @abstractmethod
    def choice(self, message: Any) -> Reply:
        """Return the choice that a message is all of."""

    @abstractmethod
    async def parts(self, message: Any) -> Sequence[Reply]:
        """Return what a message of a stream adds to its choice."""

    @abstractmethod
    async def count_prompt(self) -> int:
        """Return how many tokens the prompt has."""

    async def prepare(self) -> None:
        """Ask for what the choices show besides the output."""

    def messages(self, request: ar_pb2.GenerateRequest) -> AsyncGenerator[Any, None]:
        """Yield the messages of a stream. Raises TandemError."""
        return self.calls.stream("Generate", request, self.names)

    async def whole(self) -> ar_pb2.CompleteResponse:
        """Return all choices. Raises TandemError."""
        request = self.request()
        await self.prepare()
        return await self.calls.whole(request, self.names)

    async def chunks(self, consumed: list[Any]) -> AsyncGenerator[tuple[Sequence[Reply], Mapping[str, Usage]], None]:
        """Yield what is added to choices, and the field `usage` if the body asks for usage so far.

        Adds to `consumed` what the call has consumed. Raises TandemError.
        """
        request = self.request()
        await self.prepare()
        running = ar_pb2.Usage(prompt_tokens=await self.count_prompt()) if self.body.continues_usage else None
        async with contextlib.aclosing(self.messages(request)) as messages:
            async for message in messages:
                if message.HasField("usage"):
                    consumed.append(message.usage)
                if running is not None:
                    running.output_tokens += len(message.token_ids)
                if parts := await self.parts(message):
                    yield parts, {"usage": usage_of([running])} if running else {}


async def answer(
    generations: Sequence[Generation[Any]], prefix: str, whole: Callable[..., Reply], chunk: Callable[..., Reply]
) -> Answer:
    """Answer with the choices of all generations, in one piece or in chunks, whose ids begin with `prefix`.

    `whole` and `chunk` make a reply and a part of one. Raises TandemError.
    """
    body, model, calls = generations[0].body, generations[0].model, generations[0].calls
    head: dict[str, Any] = {"id": f"{prefix}-{uuid.uuid4().hex}", "created": int(time.time()), "model": model.name}
    if body.stream:
        chunk_of_all = partial(chunk, **head, system_fingerprint=calls.catalogue.fingerprint(model))
        return _stream(generations, chunk_of_all, body.includes_usage)
    replies = await run_all([generation.whole() for generation in generations])
    usages = [reply.usage for reply in replies]
    fingerprints = {usage.fingerprint for usage in usages}
    head["system_fingerprint"] = (fingerprints.pop() or None) if len(fingerprints) == 1 else None
    choices = (
        generation.choice(message)
        for generation, reply in zip(generations, replies, strict=True)
        for message in reply.choices
    )
    empty = whole(**head, choices=[], usage=usage_of(usages))
    return await in_thread_if(body.has_logprobs, to_json_with, empty, choices)


async def _stream(
    generations: Sequence[Generation[Any]], chunk: Callable[..., Reply], includes_usage: bool
) -> AsyncGenerator[bytes, None]:
    consumed: list[Any] = []
    without_usage = {"usage": None} if includes_usage else {}
    async with contextlib.aclosing(merge([generation.chunks(consumed) for generation in generations])) as parts:
        async for choices, usage in parts:
            chunks = (chunk(choices=[choice], **(usage or without_usage)) for choice in choices)
            yield b"".join(event(each.to_json()) for each in chunks)
    yield (event(chunk(choices=[], usage=usage_of(consumed)).to_json()) if includes_usage else b"") + DONE
