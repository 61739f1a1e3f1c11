"""The protocol's paths. Errors are {"error": text}; liveness and readiness need no key, as the gateway's own probes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gateway.access.access import Access
from gateway.access.api_keys import bearer
from gateway.http.in_thread import MAX_INLINE_BYTES, in_thread_if
from gateway.http.parsing import JsonParser
from gateway.http.rpcs import check_origin, deadline_of
from gateway.identity import Identity
from gateway.protocols.oip.http.exchange import OipExchange, http_error
from gateway.protocols.oip.http.messages import plain
from gateway.protocols.oip.http.replies import http_reply
from gateway.protocols.oip.http.requests import HEADER_LENGTH, parse_infer, split
from gateway.protocols.oip.inference import Inference
from gateway.protocols.oip.models import description
from gateway.protocols.oip.models.adapter import Adapter
from gateway.protocols.oip.models.repository import Repository
from gateway.protocols.oip.server_metadata import server_metadata
from gateway.protocols.oip.service import repository_index
from gateway.protocols.oip.statistics import Statistics
from gateway.protocols.under_way import UnderWay
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tandem.shared.errors import Internal, TandemError

logger = logging.getLogger(__name__)

Ask = Callable[[Request], Message]
_MODEL = "/v2/models/{name}"
_VERSION = _MODEL + "/versions/{version}"


class HttpRoutes:
    """What each path answers."""

    def __init__(
        self,
        access: Access,
        repository: Repository,
        inference: Inference,
        statistics: Statistics,
        under_way: UnderWay,
    ) -> None:
        self._access = access
        self._repository = repository
        self._inference = inference
        self._statistics = statistics
        self._under_way = under_way
        self._parser = JsonParser()

    def routes(self) -> list[BaseRoute]:
        """Return all of them, those of a model with and without its version."""
        reads: dict[str, Ask] = {
            "": lambda request: description.metadata(self._find(request)),
            "/config": lambda request: description.config(self._find(request)),
            "/stats": lambda request: self._statistics.report(*_named(request)),
        }
        routes = [Route("/v2", self._reading(lambda _: server_metadata()))]
        routes += [Route("/v2/health/live", _live), Route("/v2/health/ready", self._ready)]
        routes += [Route("/v2/models/stats", self._reading(lambda _: self._statistics.report()))]
        routes += [Route("/v2/repository/index", self._for_callers(self._index), methods=["POST"])]
        for model in (_MODEL, _VERSION):
            routes += [Route(model + path, self._reading(ask)) for path, ask in reads.items()]
            routes += [Route(f"{model}/ready", self._for_callers(self._is_ready))]
            routes += [Route(f"{model}/infer", _Infer(self), methods=["POST"])]
        return list(routes)

    def _find(self, request: Request) -> Any:
        return self._repository.find(*_named(request))

    def _identify(self, headers: Any) -> Identity:
        """Return who calls. Raises Unauthenticated."""
        caller = self._access.identify(bearer(headers.getlist("authorization")))
        return Identity.of_headers(caller.identifier, headers)

    def _reading(self, ask: Ask) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint for callers, which answers with a message as JSON."""
        return self._for_callers(lambda request: JSONResponse(plain(ask(request))))

    def _for_callers(self, answer: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                self._identify(request.headers)
                return answer(request)
            except TandemError as error:
                status, body, headers = http_error(error)
                return JSONResponse(body, status, headers)

        return endpoint

    async def _ready(self, _: Request) -> Response:
        is_ready = self._repository.is_ready() and not self._under_way.is_draining
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    def _is_ready(self, request: Request) -> Response:
        return Response(status_code=200 if self._repository.has(*_named(request)) else 400)

    def _index(self, _: Request) -> Response:
        return JSONResponse([plain(model) for model in repository_index(self._repository).models])

    async def infer(self, exchange: OipExchange, name: str, version: str) -> None:
        """Answer one request for inference; however it ends, the client gets a reply."""
        try:
            with self._under_way.request():
                body, headers = await self._inferred(exchange, name, version)
            await exchange.reply_bytes(body, headers=headers)
        except TandemError as error:
            await exchange.refuse(error)
        except asyncio.CancelledError:
            await exchange.cancelled()
        except Exception:
            logger.exception("inference over HTTP failed")
            await exchange.refuse(Internal())

    async def _inferred(self, exchange: OipExchange, name: str, version: str) -> tuple[bytes, dict[str, str]]:
        identity, deadline = self._identify(exchange.headers), deadline_of(exchange.headers)
        check_origin(exchange.headers)
        body = await exchange.tensors()
        head, rest = split(body, exchange.headers.get(HEADER_LENGTH))

        async def read(model: Adapter) -> ModelInferRequest:
            return await self._parser.run(identity.caller, head, parse_infer, head, rest, name, version, model.inputs)

        async with exchange.while_wanted(deadline):
            model, request, reply = await self._inference.infer(name, version, read, identity, deadline)
            specs = {spec.name: spec for spec in model.outputs}
            takes_long = sum(map(len, reply.raw_output_contents)) > MAX_INLINE_BYTES
            return await in_thread_if(takes_long, http_reply, request, reply, specs)


class _Infer:
    """Inference as an ASGI application."""

    def __init__(self, routes: HttpRoutes) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = scope["path_params"]
        await self._routes.infer(OipExchange(scope, receive, send), named["name"], named.get("version", ""))


async def _live(_: Request) -> Response:
    return JSONResponse({"live": True})


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["name"], request.path_params.get("version", "")
