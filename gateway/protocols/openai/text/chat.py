"""POST /v1/chat/completions: a conversation to a generation, tokens to answers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from gateway.protocols.catalogue import Served
from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.exchange import OpenAiExchange
from gateway.protocols.openai.text.chat_messages import (
    ChatBody,
    ChatChoice,
    ChatChunk,
    ChatCompletion,
    ChatLogprobs,
    ChunkChoice,
    Delta,
    ResponseMessage,
    TokenLogprob,
    TopLogprob,
    chat_prompt,
)
from gateway.protocols.openai.text.generation import Generation, Shape, UsageSoFar, answer
from gateway.protocols.openai.text.replies import FINISH_REASONS, Consumed
from tandem.ar.v1 import ar_pb2

SHAPE = Shape("chatcmpl", ChatCompletion, "chat.completion", ChatChunk, "chat.completion.chunk")


async def chat(body: ChatBody, calls: Calls, exchange: OpenAiExchange) -> None:
    """Answer in one piece or in chunks. Raises TandemError."""
    model = calls.catalogue.text(body.model)
    await answer(body, model, [ChatGeneration(body, model, calls)], SHAPE, calls, exchange)


class ChatGeneration(Generation):
    """The only prompt of a conversation."""

    def __init__(self, body: ChatBody, model: Served, calls: Calls) -> None:
        super().__init__(body, model, calls)
        self._body = body
        self.names = names_of(body)

    def request(self) -> ar_pb2.GenerateRequest:
        return ar_pb2.GenerateRequest(
            model=self._model.name,
            chat=chat_prompt(self._body.messages),
            sampling=self._body.sampling(self._body.num_tokens),
            logprobs=self._body.has_logprobs,
            top_logprobs=self._body.top_logprobs or 0,
        )

    async def whole(self, consumed: Consumed) -> Iterable[ChatChoice]:
        return map(self._choice, await self._complete(self.request(), consumed))

    async def stream(self, consumed: Consumed) -> AsyncGenerator[tuple[Sequence[ChunkChoice], UsageSoFar], None]:
        begun = set[int]()
        async with contextlib.aclosing(self._messages(self.request(), consumed)) as messages:
            async for message, usage in messages:
                parts = self._parts(message, is_first=message.choice_index not in begun)
                begun.add(message.choice_index)
                if parts:
                    yield parts, usage

    async def _count_prompt(self) -> int:
        prompt = ar_pb2.TokenizeRequest(model=self._model.name, chat=chat_prompt(self._body.messages))
        return len((await self._calls.unary("Tokenize", prompt, self.names, is_aid=True)).ids)

    def _choice(self, message: Any) -> ChatChoice:
        return ChatChoice(
            index=message.choice_index,
            message=ResponseMessage(role="assistant", content=message.text_delta, refusal=None),
            logprobs=self._logprobs(message),
            finish_reason=FINISH_REASONS[message.finish_reason],
            stop_reason=message.matched_stop or None,
        )

    def _parts(self, message: Any, is_first: bool) -> list[ChunkChoice]:
        """Return what a message comes to: who speaks, before the first; what is said; why it ended."""
        index, parts = message.choice_index, list[ChunkChoice]()
        if is_first:
            opening = Delta(role="assistant", content="")
            parts.append(ChunkChoice(index=index, delta=opening, logprobs=None, finish_reason=None))
        if message.text_delta or message.token_ids:
            said, logprobs = Delta(content=message.text_delta), self._logprobs(message)
            parts.append(ChunkChoice(index=index, delta=said, logprobs=logprobs, finish_reason=None))
        if reason := FINISH_REASONS.get(message.finish_reason):
            stop = message.matched_stop or None
            parts.append(ChunkChoice(index=index, delta=Delta(), logprobs=None, finish_reason=reason, stop_reason=stop))
        return parts

    def _logprobs(self, message: Any) -> ChatLogprobs | None:
        if not self._body.has_logprobs:
            return None
        entries = [
            TokenLogprob(**_token(entry), top_logprobs=[TopLogprob(**_token(other)) for other in entry.alternatives])
            for entry in message.logprobs
        ]
        return ChatLogprobs(content=entries, refusal=None)


def names_of(body: ChatBody) -> Names:
    """Return how the body calls the fields of our messages."""
    about_prompt = {"chat.messages": "messages", "chat": "messages"}
    return {"sampling.max_tokens": body.name_of_max_tokens, **body.names_of_sampling, **about_prompt}


def _token(entry: Any) -> dict[str, Any]:
    return {"token": entry.token.decode(errors="replace"), "logprob": entry.logprob, "bytes": list(entry.token)}
