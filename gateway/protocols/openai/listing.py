"""GET /v1/models and /v1/models/{id}: what the backends serve, from what the gateway knows."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.catalogue import Catalogue, Served
from gateway.protocols.openai.exchange import OpenAiExchange
from gateway.protocols.openai.replies.model import Model, Models


class Listing:
    """Operations of endpoint.py; `started_at` is when the gateway did, seconds since 1970."""

    def __init__(self, catalogue: Catalogue, started_at: float) -> None:
        self._catalogue = catalogue
        self._created = int(started_at)

    async def every(self, _: Mapping[str, str], __: Calls, exchange: OpenAiExchange) -> None:
        """Answer with all models."""
        models = [self._model(each) for each in self._catalogue.models()]
        await exchange.reply_with(Models(object="list", data=models))

    async def one(self, parameters: Mapping[str, str], _: Calls, exchange: OpenAiExchange) -> None:
        """Answer with the model in the path. Raises NotFound, Unavailable."""
        await exchange.reply_with(self._model(self._catalogue.find(parameters["id"])))

    def _model(self, served: Served) -> Model:
        length = {"max_model_len": served.described.max_context_tokens} if served.makes_text else {}
        return Model(id=served.name, object="model", created=self._created, owned_by="tandem", **length)
