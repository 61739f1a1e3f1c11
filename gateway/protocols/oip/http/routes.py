"""The protocol's paths, and Triton's `generate` beside them.

Errors are {"error": text}; liveness and readiness need no key, as the gateway's own probes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.admission import Admission, Entrance
from gateway.http.endpoint import Endpoint, Serve, identify
from gateway.http.errors import error_body, error_headers, http_status
from gateway.http.exchange import Exchange, to_json
from gateway.http.parsing import MAX_INLINE_BYTES, in_thread_if
from gateway.protocols.oip.http.bodies import (
    HEADER_LENGTH,
    as_plain,
    generated,
    http_reply,
    read_generate,
    read_infer,
    split,
)
from gateway.protocols.oip.inference import Inference
from gateway.protocols.oip.information import SERVER_METADATA, Information
from gateway.protocols.oip.models.adapter import Adapter
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelReadyRequest
from tandem.shared.errors import TandemError

_MODEL = "/v2/models/{name}"
_EVENT = b"data: %b\n\n"


class OipExchange(Exchange):
    """Accepts any content type: headers show whether a request comes from another site's page."""

    async def tensors(self) -> tuple[bytes, bytes]:
        """Return the body's JSON and what follows it. Raises InvalidArgument; CancelledError if the client leaves."""
        return split(await self.raw_body(), self.headers.get(HEADER_LENGTH))

    def asked(self) -> ModelInferRequest:
        """Return a request for the model in the path."""
        parameters = self.parameters
        return ModelInferRequest(model_name=parameters["name"], model_version=parameters.get("version"))

    async def refuse(self, error: TandemError) -> None:
        """Send the error as the reply, or as the last event of one that has begun."""
        body, status, headers = _http_error(error)
        if self._has_begun:
            await self.events(_EVENT % to_json(body), is_last=True)
        else:
            await self.reply(body, status, headers)


class HttpRoutes:
    """What each path answers."""

    def __init__(self, entrance: Entrance, inference: Inference, information: Information) -> None:
        self._entrance = entrance
        self._inference = inference
        self._information = information

    def routes(self) -> list[BaseRoute]:
        """Return all of them, those of a model with and without its version."""
        about, streamed = self._information, partial(self._generate, is_streamed=True)
        routes = [
            Route("/v2", self._answer(lambda _: SERVER_METADATA)),
            Route("/v2/health/live", _live),
            Route("/v2/health/ready", self._ready),
            Route("/v2/models/stats", self._answer(about.model_statistics)),
            Route("/v2/repository/index", self._answer(about.repository_index, "models"), methods=["POST"]),
        ]
        for model in (_MODEL, f"{_MODEL}/versions/{{version}}"):
            routes += [
                Route(model, self._answer(about.model_metadata)),
                Route(f"{model}/config", self._answer(about.model_config, "config")),
                Route(f"{model}/stats", self._answer(about.model_statistics)),
                Route(f"{model}/ready", self._answer(self._model_ready)),
                self._post(f"{model}/infer", self._infer),
                self._post(f"{model}/generate", self._generate),
                self._post(f"{model}/generate_stream", streamed),
            ]
        return list(routes)

    def _post(self, path: str, serve: Serve) -> Route:
        return Route(path, Endpoint(self._entrance, serve, exchange_class=OipExchange), methods=["POST"])

    def _answer(self, ask: Callable[[Any], Any], field: str = "") -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint for callers, which answers with a message as JSON, with a field of it or with a response.

        What it asks takes the model in the path.
        """

        async def endpoint(request: Request) -> Response:
            try:
                identify(self._entrance.access, request.headers)
                answered = ask(ModelReadyRequest(**request.path_params))
            except TandemError as error:
                return JSONResponse(*_http_error(error))
            if isinstance(answered, Response):
                return answered
            return JSONResponse(as_plain(answered)[field] if field else as_plain(answered))

        return endpoint

    async def _ready(self, _: Request) -> Response:
        is_ready = self._information.server_ready(None).ready
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    def _model_ready(self, request: Any) -> Response:
        return Response(status_code=200 if self._information.model_ready(request).ready else 400)

    async def _infer(self, admission: Admission, exchange: OipExchange) -> None:
        """Answer one request for inference."""
        asked = exchange.asked()
        head, rest = await exchange.tensors()

        async def read(model: Adapter) -> ModelInferRequest:
            caller = admission.identity.caller
            return await self._entrance.parser.run(caller, head, read_infer, asked, head, rest, model.inputs)

        async with exchange.while_wanted(admission.deadline):
            reply = await self._inference.infer(asked, read, admission)
            takes_long = sum(map(len, reply.raw_output_contents)) > MAX_INLINE_BYTES
            body, headers = await in_thread_if(takes_long, http_reply, asked, reply)
        await exchange.reply_bytes(body, headers=headers)

    async def _generate(self, admission: Admission, exchange: OipExchange, is_streamed: bool = False) -> None:
        """Answer one request whose keys are names of inputs, in one piece or with an event for each response."""
        asked, body = exchange.asked(), await exchange.raw_body()

        async def read(model: Adapter) -> ModelInferRequest:
            caller = admission.identity.caller
            return await self._entrance.parser.run(caller, body, read_generate, asked, body, model, is_streamed)

        async with exchange.while_wanted(admission.deadline):
            replies = self._inference.replies(asked, read, admission, is_streamed)
            async with contextlib.aclosing(replies):
                async for reply in replies:
                    takes_long = sum(map(len, reply.raw_output_contents)) > MAX_INLINE_BYTES
                    content = await in_thread_if(takes_long, generated, reply)
                    await (exchange.events(_EVENT % content) if is_streamed else exchange.reply_bytes(content))
        if is_streamed:
            await exchange.events(b"", is_last=True)


async def _live(_: Request) -> Response:
    return JSONResponse({"live": True})


def _http_error(error: TandemError) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Return body, status and headers of an error: {"error": text}, and when to try again."""
    return {"error": f"[{error.code}] {error}"}, http_status(error), error_headers(error_body(error))
