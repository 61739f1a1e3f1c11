"""The page of a gateway before backends by script."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Browser

from runtime.rpc.routes import SEQUENTIAL
from tandem.ar.v1 import ar_pb2
from tests.browser import Watched, opened
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.running import running_gateway
from tests.integration.tandem.fakes import FakeSequential

NUM_TILES = 4  # of an image of the scripted model


class Sequential(FakeSequential):
    """Has these models instead of its own."""

    def __init__(self, *models: ar_pb2.Model) -> None:
        super().__init__()
        self._models = models

    async def list_models(self, request: object, call: object) -> ar_pb2.ListModelsResponse:
        return ar_pb2.ListModelsResponse(models=self._models)


@contextlib.asynccontextmanager
async def page_of(
    browser: Browser, gan: FakeBackend, *models: ar_pb2.Model, kind: type[Sequential] = Sequential
) -> AsyncIterator[tuple[Watched, Any]]:
    """The page of a gateway whose sequential backend, of a kind, has these models."""
    async with FakeBackend(SEQUENTIAL, kind(*models)) as ar, running_gateway([ar], [gan]) as gateway:
        await gateway.until(serving=True)
        async with opened(browser, gateway.web_address) as page:
            yield page, ar.servicer
