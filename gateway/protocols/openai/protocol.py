"""OpenAI's API put together: which path does what."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.access.access import Access
from gateway.figures.metrics import GatewayMetrics
from gateway.figures.replicas import Replicas
from gateway.http.parsing import JsonParser
from gateway.protocols.openai.calls import ROUTES, TRANSPORT
from gateway.protocols.openai.catalogue import Catalogue
from gateway.protocols.openai.description.document import document
from gateway.protocols.openai.description.page import page
from gateway.protocols.openai.endpoint import Endpoint, Operation, Surroundings
from gateway.protocols.openai.images.generations import Generations
from gateway.protocols.openai.listing import Listing
from gateway.protocols.openai.requests.body import Body
from gateway.protocols.openai.requests.chat import ChatBody
from gateway.protocols.openai.requests.completion import CompletionBody
from gateway.protocols.openai.requests.image import ImageBody
from gateway.protocols.openai.requests.tokens import DetokenizeBody, TokenizeBody
from gateway.protocols.openai.responses.body import ResponseBody
from gateway.protocols.openai.responses.responses import Responses
from gateway.protocols.openai.text.chat import Chat
from gateway.protocols.openai.text.completions import Completions
from gateway.protocols.openai.tokens import Tokens
from gateway.protocols.under_way import UnderWay
from gateway.proxy.sockets import Sockets
from gateway.upstream import Upstream


class OpenAiProtocol:
    """Implements gateway.server.Entrance; needs a running event loop."""

    def __init__(self, access: Access, replicas: Replicas, metrics: GatewayMetrics, sockets: Sockets) -> None:
        self._under_way, self._upstream, self._parser = UnderWay(), Upstream(sockets.internal, TRANSPORT), JsonParser()
        self._around = Surroundings(access, self._upstream, metrics, self._under_way, self._parser)
        self._replicas = replicas

    def http_routes(self) -> list[BaseRoute]:
        """Return the API's routes. Health and the description need no key, as the gateway's own probes."""
        catalogue = Catalogue(self._replicas)
        listing, tokens = Listing(catalogue, time.time()), Tokens(catalogue)
        about = document()
        return [
            self._get("/v1/models", listing.every),
            self._get("/v1/models/{id:path}", listing.one),
            self._post("/v1/completions", CompletionBody, Completions(catalogue), "Generate"),
            self._post("/v1/chat/completions", ChatBody, Chat(catalogue), "Generate"),
            self._post("/v1/responses", ResponseBody, Responses(catalogue), "Generate"),
            self._post("/v1/images/generations", ImageBody, Generations(catalogue), "Sample"),
            self._post("/tokenize", TokenizeBody, tokens.tokenize, "Tokenize"),
            self._post("/detokenize", DetokenizeBody, tokens.detokenize, "Detokenize"),
            self._get("/tokenizer_info", tokens.describe, "DescribeTokenizer"),
            Route("/health", self._health),
            Route("/openapi.json", lambda _: JSONResponse(about)),
            Route("/docs", lambda _: HTMLResponse(page(about))),
        ]

    def _get(self, path: str, operation: Operation, rpc: str = "") -> BaseRoute:
        return Route(path, Endpoint(self._around, operation, ROUTES.get(rpc)), methods=["GET"])

    def _post(self, path: str, body_class: type[Body], operation: Operation, rpc: str) -> BaseRoute:
        return Route(path, Endpoint(self._around, operation, ROUTES[rpc], body_class), methods=["POST"])

    async def _health(self, _: Request) -> Response:
        is_ready = self._replicas.all_serve() and not self._under_way.is_draining
        return Response(status_code=200 if is_ready else 503)

    async def drain(self, seconds: float) -> bool:
        """Refuse new requests, let open ones finish for so long, cancel the rest; return whether none was cancelled."""
        return await self._under_way.drain(seconds)

    async def close(self) -> None:
        """End the calls that are left."""
        self._parser.close()
        await self._upstream.close()
