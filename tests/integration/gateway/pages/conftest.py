"""A browser for all tests here, and the page of a gateway before one backend by script of each paradigm.

A browser belongs to the event loop that it was started in, so these tests share one: each marks it as its `loop_scope`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from tests.browser import Watched, opened, running_browser
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.tandem.fakes import FakeParallel, FakeSequential


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="package")
async def ar() -> AsyncIterator[FakeBackend]:
    async with FakeBackend(SEQUENTIAL, FakeSequential()) as backend:
        yield backend


@pytest_asyncio.fixture(loop_scope="package")
async def gan() -> AsyncIterator[FakeBackend]:
    async with FakeBackend(PARALLEL, FakeParallel()) as backend:
        yield backend


@pytest_asyncio.fixture(loop_scope="package")
async def gateway(ar: FakeBackend, gan: FakeBackend) -> AsyncIterator[RunningGateway]:
    async with running_gateway([ar], [gan]) as running:
        await running.until(serving=True)
        yield running


@pytest_asyncio.fixture(loop_scope="package")
async def page(gateway: RunningGateway, browser: Browser) -> AsyncIterator[Watched]:
    async with opened(browser, gateway.web_address) as page:
        yield page
