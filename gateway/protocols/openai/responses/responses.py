"""POST /v1/responses: an input to a generation, tokens to a response."""

from __future__ import annotations

import contextlib

from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.catalogue import Catalogue
from gateway.protocols.openai.exchange import OpenAiExchange
from gateway.protocols.openai.responses.body import ResponseBody
from gateway.protocols.openai.responses.growing_response import GrowingResponse
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
        response = GrowingResponse(body, model, self._catalogue.fingerprint(model))
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
    await exchange.end()
