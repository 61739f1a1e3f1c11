"""POST /v1/responses: an input to a generation, tokens to an answer."""

from __future__ import annotations

import contextlib

from gateway.doors.fields import Names
from gateway.doors.openai.calls import Calls
from gateway.doors.openai.catalogue import Catalogue
from gateway.doors.openai.exchange import OpenAiExchange
from gateway.doors.openai.responses.answer import Answer
from gateway.doors.openai.responses.body import ResponseBody
from tandem.ar.v1 import ar_pb2

NAMES: Names = {"sampling.max_tokens": "max_output_tokens", "sampling": "", "chat.messages": "input", "chat": "input"}


class Responses:
    """An operation of endpoint.py."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def __call__(self, body: ResponseBody, calls: Calls, exchange: OpenAiExchange) -> None:
        """Answer in one piece or in events. Raises TandemError."""
        model = self._catalogue.text(body.model)
        request = body.request(model.name)
        answer = Answer(body, model, self._catalogue.fingerprint(model))
        if body.stream:
            await _stream(answer, request, calls, exchange)
            return
        reply = await calls.whole(request, NAMES)
        [choice] = reply.choices
        await exchange.answer(answer.whole(choice, reply.usage, choice.text_delta))


async def _stream(answer: Answer, request: ar_pb2.GenerateRequest, calls: Calls, exchange: OpenAiExchange) -> None:
    has_begun = False
    async with contextlib.aclosing(calls.stream("Generate", request, NAMES)) as messages:
        async for message in messages:
            # Not before there is something to say: what fails until then has a status of its own.
            events = [] if has_begun else list(answer.beginning())
            has_begun = True
            if message.text_delta:
                events.append(answer.delta(message.text_delta))
            if message.HasField("usage"):
                events += answer.ending(message)
            if events:
                await exchange.events(b"".join(events))
    await exchange.end()
