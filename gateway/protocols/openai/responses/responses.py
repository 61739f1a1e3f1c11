"""POST /v1/responses: an input to a generation, tokens to a response that grows, and to its events."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from pydantic_core import to_json

from gateway.protocols.catalogue import Served
from gateway.protocols.fields import Names
from gateway.protocols.openai.document import Path
from gateway.protocols.openai.exchange import Answer, Calls, event
from gateway.protocols.openai.responses import messages
from gateway.protocols.openai.responses.messages import Event, OutputText, Response, ResponseBody, Status
from tandem.ar.v1 import ar_pb2

NAMES: Names = {
    "sampling.max_tokens": "max_output_tokens",
    "sampling.json_schema": "text.format.schema",
    "sampling": "",
    "chat.messages": "input",
    "chat": "input",
}


async def respond(body: ResponseBody, calls: Calls) -> Answer:
    """Answer in one piece or in events. Raises TandemError."""
    model = calls.catalogue.text(body.model)
    request = body.request(model.name)
    response = GrowingResponse(body, model, calls.catalogue.fingerprint(model))
    if body.stream:
        return response.events(calls.stream("Generate", request, NAMES))
    reply = await calls.whole(request, NAMES)
    response.text = reply.choices[0].text_delta
    return response.whole(reply.choices[0], reply.usage).to_json()


PATH = Path("/v1/responses", "Answer, keeping nothing", respond, "Generate", ResponseBody, Response, [Event])


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
        self._place = {"output_index": 0, "content_index": 0, "item_id": self._message_id}
        self._created_at = int(time.time())
        self.text = ""
        self._num_events = 0

    async def events(self, generated: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
        """Yield the events of a stream. There are none before its first message: what fails until then has a status."""
        async with contextlib.aclosing(generated):
            async for message in generated:
                if events := b"".join(self._events_of(message)):
                    yield events

    def _events_of(self, message: Any) -> Iterator[bytes]:
        if not self._num_events:
            for kind in ("created", "in_progress"):
                yield self._event(kind, response=self._response("in_progress", [], None))
            yield self._event("output_item.added", output_index=0, item=self._message("in_progress", []))
            yield self._event("content_part.added", **self._place, part=OutputText(text=""))
        if message.text_delta:
            self.text += message.text_delta
            yield self._event("output_text.delta", **self._place, delta=message.text_delta, logprobs=[])
        if message.HasField("usage"):
            said, status = OutputText(text=self.text), _status(message)
            yield self._event("output_text.done", **self._place, text=self.text, logprobs=[])
            yield self._event("content_part.done", **self._place, part=said)
            yield self._event("output_item.done", output_index=0, item=self._message(status, [said]))
            yield self._event(status, response=self.whole(message, message.usage))

    def whole(self, message: Any, usage: Any) -> Response:
        """Return the finished response."""
        self._fingerprint = usage.fingerprint or self._fingerprint
        status = _status(message)
        return self._response(status, [self._message(status, [OutputText(text=self.text)])], usage)

    def _event(self, kind: str, **fields: Any) -> bytes:
        name = f"response.{kind}"
        content = {"type": name, "sequence_number": self._num_events, **fields}
        self._num_events += 1
        return event(to_json(content), name)

    def _message(self, status: Status, content: list[OutputText]) -> messages.OutputMessage:
        return messages.OutputMessage(id=self._message_id, status=status, content=content)

    def _response(self, status: Status, output: list[messages.OutputMessage], usage: Any) -> Response:
        """Return the response as it is now; `usage` is a Usage of the contract, None until the end."""
        return Response(
            id=self._id,
            created_at=self._created_at,
            status=status,
            incomplete_details=messages.IncompleteDetails() if status == "incomplete" else None,
            instructions=self._body.instructions,
            max_output_tokens=self._body.max_output_tokens,
            metadata=self._body.metadata or {},
            model=self._model,
            output=output,
            temperature=self._sampling("temperature"),
            text=self._body.text.model_dump(by_alias=True, exclude_none=True),
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
