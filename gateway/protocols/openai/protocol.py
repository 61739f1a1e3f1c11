"""OpenAI's API put together: a table of which path does what, and a route for each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.admission import Admission, Entrance
from gateway.http.endpoint import Endpoint
from gateway.protocols.catalogue import Catalogue, Served
from gateway.protocols.openai import images, tokens
from gateway.protocols.openai.document import Path, document, page
from gateway.protocols.openai.exchange import ROUTES, Calls, OpenAiExchange
from gateway.protocols.openai.messages import Reply
from gateway.protocols.openai.responses import responses
from gateway.protocols.openai.text import chat, completion


class Model(Reply):
    """A model that a backend serves."""

    id: str
    object: Literal["model"]
    created: int = Field(description="When the gateway started, seconds since 1970.")
    owned_by: Literal["tandem"]
    max_model_len: int | None = Field(None, description="vLLM's: tokens of prompt and output together; text models.")


class Models(Reply):
    """All of them, text models first."""

    object: Literal["list"]
    data: list[Model]


async def list_models(_: Mapping[str, str], calls: Calls) -> bytes:
    """Answer with all models."""
    return Models(object="list", data=[_model(served, calls) for served in calls.catalogue.models()]).to_json()


async def show_model(parameters: Mapping[str, str], calls: Calls) -> bytes:
    """Answer with the model in the path. Raises NotFound, Unavailable."""
    return _model(calls.catalogue.find(parameters["id"]), calls).to_json()


def _model(served: Served, calls: Calls) -> Model:
    length = {"max_model_len": served.described.max_context_tokens} if served.makes_text else {}
    return Model(id=served.name, object="model", created=calls.catalogue.created, owned_by="tandem", **length)


PATHS = (
    Path("/v1/models", "The models, text models first", list_models, "", None, Models),
    Path("/v1/models/{id}", "One model", show_model, "", None, Model),
    *(completion.PATH, chat.PATH, responses.PATH, images.PATH),
    *tokens.PATHS,
)


class OpenAiProtocol:
    """Needs a running event loop."""

    def __init__(self, entrance: Entrance, catalogue: Catalogue) -> None:
        self._entrance = entrance
        self._catalogue = catalogue

    def http_routes(self) -> list[BaseRoute]:
        """Return the API's routes. Health and the description need no key, as the gateway's own probes."""
        about = document(PATHS)
        return [
            *map(self._route, PATHS),
            Route("/health", self._health),
            Route("/openapi.json", lambda _: JSONResponse(about)),
            Route("/docs", lambda _: HTMLResponse(page(about))),
        ]

    def _route(self, path: Path) -> BaseRoute:
        endpoint = Endpoint(self._entrance, partial(self._serve, path), ROUTES.get(path.rpc), OpenAiExchange)
        in_path = path.path.replace("{id}", "{id:path}")
        return Route(in_path, endpoint, methods=["POST" if path.body else "GET"])

    async def _serve(self, path: Path, admission: Admission, exchange: OpenAiExchange) -> None:
        if admission.route:  # what it costs is known when it is read; to read it costs time already
            admission.check(admission.route)
        raw = await exchange.body() if path.body else b""
        async with exchange.while_wanted(admission.deadline):
            asked: Any = exchange.parameters
            if path.body:
                asked = await self._entrance.parser.run(admission.identity.caller, raw, path.body.parse, raw)
            await exchange.answer(await path.operation(asked, Calls(admission, self._catalogue)))

    async def _health(self, _: Request) -> Response:
        is_ready = self._catalogue.all_serve() and not self._entrance.is_draining
        return Response(status_code=200 if is_ready else 503)
