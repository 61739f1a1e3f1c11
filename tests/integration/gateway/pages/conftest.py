"""A browser, and the page of a gateway before one backend by script of each paradigm."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from tests.browser import Watched, opened, running_browser
from tests.integration.gateway.fakes import FakeBackend, serving
from tests.integration.gateway.pages.scripted import address
from tests.integration.gateway.running import RunningGateway
from tests.integration.tandem.fakes import FakeParallel, FakeSequential


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture
async def ar() -> AsyncIterator[FakeBackend]:
    async with serving(SEQUENTIAL, FakeSequential()) as backend:
        yield backend


@pytest.fixture
async def gan() -> AsyncIterator[FakeBackend]:
    async with serving(PARALLEL, FakeParallel()) as backend:
        yield backend


@pytest.fixture
async def page(gateway: RunningGateway, browser: Browser) -> AsyncIterator[Watched]:
    async with opened(browser, address(gateway)) as page:
        yield page
