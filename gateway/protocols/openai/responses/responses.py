"""POST /v1/responses: an input to a generation, tokens to a response that grows, and to its events."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from gateway.protocols.catalogue import Served
from gateway.protocols.openai.document import Path
from gateway.protocols.openai.exchange import Answer, Calls, event
from gateway.protocols.openai.messages import Body
from gateway.protocols.openai.responses import messages
from gateway.protocols.openai.responses.messages import Event, OutputText, Response, ResponseBody, Status
from tandem.ar.v1 import ar_pb2


async def respond(body: ResponseBody, calls: Calls) -> Answer:
    """Answer in one piece or in events. Raises TandemError."""
    model = calls.catalogue.text(body.model)
    request, names = body.request(model.name), body.names()
    response = GrowingResponse(body, model, calls.catalogue.fingerprint(model))
    if body.stream:
        return response.events(calls.stream("Generate", request, names))
    reply = await calls.whole(request, names)
    list(response.grow(reply.choices[0]))
    return response.whole(reply.choices[0], reply.usage).to_json()


PATH = Path("/v1/responses", "Answer, keeping nothing", respond, "Generate", ResponseBody, Response, [Event])


@dataclass
class Item:
    """What is said, or the arguments of a call, as far as they are there."""

    id: str
    text: str = ""
    call: ar_pb2.ToolCall | None = None

    def shown(self, status: Status) -> messages.OutputMessage | messages.FunctionCall:
        """Return it as a reply has it; in progress, it has just begun."""
        has_begun, call = status == "in_progress", self.call
        if call is None:
            content = [] if has_begun else [OutputText(text=self.text)]
            return messages.OutputMessage(id=self.id, status=status, content=content)
        arguments = "" if has_begun else self.text
        return messages.FunctionCall(id=self.id, status=status, call_id=call.id, name=call.name, arguments=arguments)


class GrowingResponse:
    """An answer of the assistant's, in the form of this API: a message, calls of functions, or both."""

    def __init__(self, body: ResponseBody, model: Served, fingerprint: str | None) -> None:
        self._body = body
        self._model = model.name
        # What the model recommends holds for requests that say nothing of it.
        is_chosen = body.temperature is not None or body.top_p is not None
        self._recommended = ar_pb2.SamplingParams() if is_chosen else model.described.default_sampling
        self._fingerprint = fingerprint
        self._id = f"resp_{uuid.uuid4().hex}"
        self._items: list[Item] = []
        self._created_at = int(time.time())
        self._num_events = 0

    def grow(self, message: Any) -> Iterator[tuple[bool, str]]:
        """Add what a message brings to the items; yield each addition, and whether it begins an item."""
        if message.text_delta or (message.finish_reason and not message.tool_calls and not self._items):
            is_new = not self._items
            if is_new:
                self._items.append(Item(f"msg_{uuid.uuid4().hex}"))
            self._items[-1].text += message.text_delta
            yield is_new, message.text_delta
        for part in message.tool_calls:
            if part.id:
                self._items.append(Item(f"fc_{uuid.uuid4().hex}", call=part))
            self._items[-1].text += part.arguments
            yield bool(part.id), part.arguments

    async def events(self, generated: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
        """Yield the events of a stream. There are none before its first message: what fails until then has a status."""
        async with contextlib.aclosing(generated):
            async for message in generated:
                if events := b"".join(self._events_of(message)):
                    yield events

    def _events_of(self, message: Any) -> Iterator[bytes]:
        if not self._num_events:
            for kind in ("created", "in_progress"):
                yield self._event(kind, response=self._response("in_progress", None))
        for is_new, delta in self.grow(message):
            if is_new:
                if len(self._items) > 1:
                    yield from self._end(len(self._items) - 2, "completed")
                yield from self._begin()
            if delta:
                if self._items[-1].call is None:
                    yield self._event("output_text.delta", **self._place(), delta=delta, logprobs=[])
                else:
                    yield self._event("function_call_arguments.delta", **self._place(), delta=delta)
        if message.HasField("usage"):
            status = _status(message)
            yield from self._end(len(self._items) - 1, status)
            yield self._event(status, response=self.whole(message, message.usage))

    def _begin(self) -> Iterator[bytes]:
        item = self._items[-1]
        yield self._event("output_item.added", output_index=len(self._items) - 1, item=item.shown("in_progress"))
        if item.call is None:
            yield self._event("content_part.added", **self._place(), part=OutputText(text=""))

    def _end(self, index: int, status: Status) -> Iterator[bytes]:
        item, place = self._items[index], self._place(index)
        if item.call is None:
            yield self._event("output_text.done", **place, text=item.text, logprobs=[])
            yield self._event("content_part.done", **place, part=OutputText(text=item.text))
        else:
            yield self._event("function_call_arguments.done", **place, name=item.call.name, arguments=item.text)
        yield self._event("output_item.done", output_index=index, item=item.shown(status))

    def _place(self, index: int | None = None) -> dict[str, Any]:
        """Return what says which item an event is about; by default the last one."""
        index = len(self._items) - 1 if index is None else index
        content = {"content_index": 0} if self._items[index].call is None else {}
        return {"output_index": index, **content, "item_id": self._items[index].id}

    def whole(self, message: Any, usage: Any) -> Response:
        """Return the finished response."""
        self._fingerprint = usage.fingerprint or self._fingerprint
        return self._response(_status(message), usage)

    def _event(self, kind: str, **fields: Any) -> bytes:
        name = f"response.{kind}"
        content = {"type": name, "sequence_number": self._num_events, **fields}
        self._num_events += 1
        return event(to_json(content), name)

    def _response(self, status: Status, usage: Any) -> Response:
        """Return the response as it is now; `usage` is a Usage of the contract, None until the end."""
        choice = self._body.tool_choice
        output = [item.shown("completed") for item in self._items]
        if self._items:
            output[-1] = self._items[-1].shown(status)
        return Response(
            id=self._id,
            created_at=self._created_at,
            completed_at=int(time.time()) if status == "completed" else None,
            status=status,
            incomplete_details=messages.IncompleteDetails() if status == "incomplete" else None,
            instructions=self._body.instructions,
            max_output_tokens=self._body.max_output_tokens,
            metadata=self._body.metadata or {},
            model=self._model,
            output=output,
            parallel_tool_calls=self._body.parallel_tool_calls is not False,
            temperature=self._sampling("temperature"),
            text=self._body.text.model_dump(by_alias=True, exclude_none=True),
            tool_choice=choice.model_dump(exclude_unset=True) if isinstance(choice, Body) else choice or "auto",
            tools=self._body.tools or [],
            top_p=self._sampling("top_p"),
            usage=usage
            and messages.ResponseUsage(
                input_tokens=usage.prompt_tokens,
                input_tokens_details=messages.InputTokensDetails(cached_tokens=usage.cached_tokens),
                output_tokens=usage.output_tokens,
                total_tokens=usage.prompt_tokens + usage.output_tokens,
            ),
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
