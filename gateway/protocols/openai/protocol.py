"""OpenAI's API put together: a table of which path does what, and a route for each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.admission import Admission, Entrance
from gateway.http.endpoint import Endpoint
from gateway.http.parsing import JsonParser
from gateway.protocols.catalogue import Catalogue, Served
from gateway.protocols.openai.calls import ROUTES, Calls
from gateway.protocols.openai.document import Path, document, page
from gateway.protocols.openai.exchange import OpenAiExchange
from gateway.protocols.openai.images import CompletedImage, ImageBody, Images, PartialImage, generate
from gateway.protocols.openai.messages import Reply
from gateway.protocols.openai.responses.messages import Event, ResponseBody
from gateway.protocols.openai.responses.messages import Response as WholeResponse
from gateway.protocols.openai.responses.responses import respond
from gateway.protocols.openai.text.chat import ChatBody, ChatChunk, ChatCompletion, chat
from gateway.protocols.openai.text.completion import Completion, CompletionBody, complete
from gateway.protocols.openai.tokens import (
    DetokenizeBody,
    Detokenized,
    TokenizeBody,
    Tokenized,
    TokenizerInfo,
    describe_tokenizer,
    detokenize,
    tokenize,
)


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


async def list_models(_: Mapping[str, str], calls: Calls, exchange: OpenAiExchange) -> None:
    """Answer with all models."""
    models = [_model(served, calls) for served in calls.catalogue.models()]
    await exchange.reply_with(Models(object="list", data=models))


async def show_model(parameters: Mapping[str, str], calls: Calls, exchange: OpenAiExchange) -> None:
    """Answer with the model in the path. Raises NotFound, Unavailable."""
    await exchange.reply_with(_model(calls.catalogue.find(parameters["id"]), calls))


def _model(served: Served, calls: Calls) -> Model:
    length = {"max_model_len": served.described.max_context_tokens} if served.makes_text else {}
    return Model(id=served.name, object="model", created=calls.catalogue.created, owned_by="tandem", **length)


_CHAT, _TOKENIZER = "Answer in a conversation", "How a model's tokenizer works"
_EVENTS_OF_IMAGES = (PartialImage, CompletedImage)

PATHS = (
    Path("/v1/models", "The models, text models first", list_models, "", None, Models),
    Path("/v1/models/{id}", "One model", show_model, "", None, Model),
    Path("/v1/completions", "Continue prompts", complete, "Generate", CompletionBody, Completion, [Completion]),
    Path("/v1/chat/completions", _CHAT, chat, "Generate", ChatBody, ChatCompletion, [ChatChunk]),
    Path("/v1/responses", "Answer, keeping nothing", respond, "Generate", ResponseBody, WholeResponse, [Event]),
    Path("/v1/images/generations", "Draw images", generate, "Sample", ImageBody, Images, _EVENTS_OF_IMAGES),
    Path("/tokenize", "Cut a text or a conversation into tokens", tokenize, "Tokenize", TokenizeBody, Tokenized),
    Path("/detokenize", "Turn tokens into a text", detokenize, "Detokenize", DetokenizeBody, Detokenized),
    Path("/tokenizer_info", _TOKENIZER, describe_tokenizer, "DescribeTokenizer", None, TokenizerInfo),
)


class OpenAiProtocol:
    """Needs a running event loop."""

    def __init__(self, entrance: Entrance, catalogue: Catalogue) -> None:
        self._entrance = entrance
        self._catalogue = catalogue
        self._parser = JsonParser()

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
            asked = (
                await self._parser.run(admission.identity.caller, raw, path.body.parse, raw)
                if path.body
                else exchange.parameters
            )
            await path.operation(asked, Calls(admission, self._catalogue), exchange)

    async def _health(self, _: Request) -> Response:
        is_ready = self._catalogue.all_serve() and not self._entrance.is_draining
        return Response(status_code=200 if is_ready else 503)

    def close(self) -> None:
        """Let go of the thread that reads large bodies."""
        self._parser.close()
