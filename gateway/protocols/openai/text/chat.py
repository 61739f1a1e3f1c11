"""POST /v1/chat/completions: a conversation to a generation, tokens to answers."""

from __future__ import annotations

import contextlib
from typing import Any

from gateway.http.in_thread import in_thread_if
from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.catalogue import Catalogue, Served
from gateway.protocols.openai.exchange import DONE, OpenAiExchange, event
from gateway.protocols.openai.replies.chat import (
    ChatChoice,
    ChatChunk,
    ChatCompletion,
    ChatLogprobs,
    ChunkChoice,
    Delta,
    ResponseMessage,
    TokenLogprob,
    TopLogprob,
)
from gateway.protocols.openai.replies.reply import FINISH_REASONS, Usage, encoded_with
from gateway.protocols.openai.requests.chat import ChatBody, chat_prompt
from gateway.protocols.openai.text.consumed import Consumed, Running
from gateway.protocols.openai.text.head import Head, new_head, with_fingerprints
from tandem.ar.v1 import ar_pb2


class Chat:
    """An operation of endpoint.py."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def __call__(self, body: ChatBody, calls: Calls, exchange: OpenAiExchange) -> None:
        """Answer in one piece or in chunks. Raises TandemError."""
        model = self._catalogue.text(body.model)
        request, names = _request(body, model), names_of(body)
        head = new_head("chatcmpl", self._catalogue, model)
        if body.stream:
            await self._stream(body, request, names, head, calls, exchange)
            return
        reply, consumed = await calls.whole(request, names), Consumed()
        consumed.add(reply.usage)
        head = with_fingerprints(head, consumed.fingerprints)
        empty = ChatCompletion(**head, object="chat.completion", choices=[], usage=consumed.usage())
        choices = (_choice(choice, bool(body.logprobs)) for choice in reply.choices)
        await exchange.reply_encoded(await in_thread_if(bool(body.logprobs), encoded_with, empty, choices))

    async def _stream(
        self,
        body: ChatBody,
        request: ar_pb2.GenerateRequest,
        names: Names,
        head: Head,
        calls: Calls,
        exchange: OpenAiExchange,
    ) -> None:
        consumed, begun = Consumed(), set[int]()
        running = await _running(body, request, calls, names)
        without_usage = {"usage": None} if body.includes_usage else {}

        def chunk(choices: list[ChunkChoice], **usage: Usage | None) -> bytes:
            return event(ChatChunk(**head, object="chat.completion.chunk", choices=choices, **usage).encoded())

        async with contextlib.aclosing(calls.stream("Generate", request, names)) as messages:
            async for message in messages:
                if message.HasField("usage"):
                    consumed.add(message.usage)
                usage = {"usage": running.after(message)} if running else without_usage
                parts = _parts(message, bool(body.logprobs), is_first=message.choice_index not in begun)
                begun.add(message.choice_index)
                if parts:
                    await exchange.events(b"".join(chunk([part], **usage) for part in parts))
        last = chunk([], usage=consumed.usage()) if body.includes_usage else b""
        await exchange.end(last + DONE)


def names_of(body: ChatBody) -> Names:
    """Return how the body calls the fields of our messages."""
    about_prompt = {"chat.messages": "messages", "chat": "messages"}
    return {"sampling.max_tokens": body.name_of_max_tokens, **body.names_of_sampling, **about_prompt}


def _request(body: ChatBody, model: Served) -> ar_pb2.GenerateRequest:
    return ar_pb2.GenerateRequest(
        model=model.name,
        chat=chat_prompt(body.messages),
        sampling=body.sampling(body.num_tokens),
        logprobs=bool(body.logprobs),
        top_logprobs=body.top_logprobs or 0,
    )


async def _running(body: ChatBody, request: ar_pb2.GenerateRequest, calls: Calls, names: Names) -> Running | None:
    if not body.continues_usage:
        return None
    prompt = ar_pb2.TokenizeRequest(model=request.model, chat=request.chat)
    return Running(len((await calls.unary("Tokenize", prompt, names, is_aid=True)).ids))


def _choice(message: Any, with_logprobs: bool) -> ChatChoice:
    return ChatChoice(
        index=message.choice_index,
        message=ResponseMessage(role="assistant", content=message.text_delta, refusal=None),
        logprobs=_logprobs(message) if with_logprobs else None,
        finish_reason=FINISH_REASONS[message.finish_reason],
        stop_reason=message.matched_stop or None,
    )


def _parts(message: Any, with_logprobs: bool, is_first: bool) -> list[ChunkChoice]:
    """Return what a message comes to: who speaks, before the first; what is said; why it ended."""
    index, parts = message.choice_index, list[ChunkChoice]()
    if is_first:
        opening = Delta(role="assistant", content="")
        parts.append(ChunkChoice(index=index, delta=opening, logprobs=None, finish_reason=None))
    if message.text_delta or message.token_ids:
        logprobs = _logprobs(message) if with_logprobs else None
        said = Delta(content=message.text_delta)
        parts.append(ChunkChoice(index=index, delta=said, logprobs=logprobs, finish_reason=None))
    if reason := FINISH_REASONS.get(message.finish_reason):
        stop = message.matched_stop or None
        parts.append(ChunkChoice(index=index, delta=Delta(), logprobs=None, finish_reason=reason, stop_reason=stop))
    return parts


def _logprobs(message: Any) -> ChatLogprobs:
    entries = [
        TokenLogprob(**_token(entry), top_logprobs=[TopLogprob(**_token(each)) for each in entry.alternatives])
        for entry in message.logprobs
    ]
    return ChatLogprobs(content=entries, refusal=None)


def _token(entry: Any) -> dict[str, Any]:
    return {"token": entry.token.decode(errors="replace"), "logprob": entry.logprob, "bytes": list(entry.token)}
