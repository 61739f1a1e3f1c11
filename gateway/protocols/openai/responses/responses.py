"""POST /v1/responses: an input to a generation, tokens to a response that grows, and to its events."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

from gateway.protocols.catalogue import Served
from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.exchange import OpenAiExchange, event
from gateway.protocols.openai.responses.messages import (
    Event,
    IncompleteDetails,
    InputTokensDetails,
    OutputMessage,
    OutputText,
    OutputTokensDetails,
    Response,
    ResponseBody,
    ResponseUsage,
    Status,
    TextFormat,
    TextSettings,
)
from tandem.ar.v1 import ar_pb2

NAMES: Names = {"sampling.max_tokens": "max_output_tokens", "sampling": "", "chat.messages": "input", "chat": "input"}


async def respond(body: ResponseBody, calls: Calls, exchange: OpenAiExchange) -> None:
    """Answer in one piece or in events. Raises TandemError."""
    model = calls.catalogue.text(body.model)
    request = body.request(model.name)
    response = GrowingResponse(body, model, calls.catalogue.fingerprint(model))
    if body.stream:
        await _stream(response, request, calls, exchange)
        return
    reply = await calls.whole(request, NAMES)
    [choice] = reply.choices
    await exchange.reply_with(response.whole(choice, reply.usage, choice.text_delta))


async def _stream(
    response: GrowingResponse, request: ar_pb2.GenerateRequest, calls: Calls, exchange: OpenAiExchange
) -> None:
    has_begun = False
    async with contextlib.aclosing(calls.stream("Generate", request, NAMES)) as messages:
        async for message in messages:
            # Not before there is something to say: what fails until then has a status of its own.
            events = [] if has_begun else list(response.beginning())
            has_begun = True
            if message.text_delta:
                events.append(response.delta(message.text_delta))
            if message.HasField("usage"):
                events += response.ending(message)
            if events:
                await exchange.events(b"".join(events))
    await exchange.events(b"", is_last=True)


class GrowingResponse:
    """One message of the assistant's, in the form of this API."""

    def __init__(self, body: ResponseBody, model: Served, fingerprint: str | None) -> None:
        self._body = body
        self._model = model.name
        # What the model recommends holds for requests that say nothing of it.
        is_chosen = body.temperature is not None or body.top_p is not None
        self._recommended = ar_pb2.SamplingParams() if is_chosen else model.described.default_sampling
        self._fingerprint = fingerprint
        self._id, self._message_id = f"resp_{uuid.uuid4().hex}", f"msg_{uuid.uuid4().hex}"
        self._created_at = int(time.time())
        self._text = ""
        self._sequence_number = -1

    def beginning(self) -> Iterator[bytes]:
        """Yield the events before the first text."""
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self._response("in_progress", [], None))
        yield self._event("response.output_item.added", output_index=0, item=self._message("in_progress", []))
        yield self._event("response.content_part.added", **self._place(), part=self._part())

    def delta(self, text: str) -> bytes:
        """Return the event of some more text."""
        self._text += text
        return self._event("response.output_text.delta", **self._place(), delta=text, logprobs=[])

    def ending(self, message: Any) -> Iterator[bytes]:
        """Yield the events behind the last text; `message` is the last of a generation."""
        status = _status(message)
        yield self._event("response.output_text.done", **self._place(), text=self._text, logprobs=[])
        yield self._event("response.content_part.done", **self._place(), part=self._part())
        item = self._message(status, [self._part()])
        yield self._event("response.output_item.done", output_index=0, item=item)
        yield self._event(f"response.{status}", response=self.whole(message, message.usage))

    def whole(self, message: Any, usage: Any, text: str | None = None) -> Response:
        """Return the finished response; `text` if it did not come in parts."""
        self._text = self._text if text is None else text
        self._fingerprint = usage.fingerprint or self._fingerprint
        status = _status(message)
        return self._response(status, [self._message(status, [self._part()])], _usage(usage))

    def _part(self) -> OutputText:
        return OutputText(type="output_text", text=self._text, annotations=[], logprobs=[])

    def _message(self, status: Status, content: list[OutputText]) -> OutputMessage:
        return OutputMessage(id=self._message_id, type="message", role="assistant", status=status, content=content)

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._message_id, "output_index": 0, "content_index": 0}

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._sequence_number += 1
        return event(Event(type=kind, sequence_number=self._sequence_number, **fields).to_json(), kind)

    def _response(self, status: Status, output: list[OutputMessage], usage: ResponseUsage | None) -> Response:
        body, is_cut = self._body, status == "incomplete"
        return Response(
            id=self._id,
            object="response",
            created_at=self._created_at,
            status=status,
            error=None,
            incomplete_details=IncompleteDetails(reason="max_output_tokens") if is_cut else None,
            instructions=body.instructions,
            max_output_tokens=body.max_output_tokens,
            metadata=body.metadata or {},
            model=self._model,
            output=output,
            parallel_tool_calls=False,
            previous_response_id=None,
            reasoning=None,
            store=False,
            temperature=self._sampling("temperature"),
            text=TextSettings(format=TextFormat(type="text")),
            tool_choice="none",
            tools=[],
            top_p=self._sampling("top_p"),
            truncation="disabled",
            usage=usage,
            user=None,
            system_fingerprint=self._fingerprint,
        )

    def _sampling(self, name: str) -> float:
        """Return the temperature or top_p that the backend takes."""
        asked = getattr(self._body, name)
        if asked is not None:
            return float(asked)
        # A float of 32 bits as its shortest decimals: .2 and not .20000000298.
        return float(f"{getattr(self._recommended, name):.7g}") if self._recommended.HasField(name) else 1.0


def _status(message: Any) -> Status:
    return "incomplete" if message.finish_reason == ar_pb2.FINISH_REASON_LENGTH else "completed"


def _usage(usage: Any) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=usage.cached_tokens, cache_write_tokens=0),
        output_tokens=usage.output_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
        total_tokens=usage.prompt_tokens + usage.output_tokens,
    )
