"""GET /v1/models and /v1/models/{id}: what the backends serve, from what the gateway knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from gateway.protocols.catalogue import Served
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.exchange import OpenAiExchange
from gateway.protocols.openai.messages import Reply


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
