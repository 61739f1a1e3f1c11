"""The page of a gateway that wants an API key: it asks for one, says when it is wrong, and goes on when it is right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser import Watched, needs_chromium, opened
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.running import running_gateway

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="package")]


@pytest_asyncio.fixture(loop_scope="package")
async def page(browser: Browser, ar: FakeBackend, gan: FakeBackend, tmp_path: Path) -> AsyncIterator[Watched]:
    async with running_gateway([ar], [gan], api_keys_file=keys_file(tmp_path)) as gateway:
        await gateway.until(serving=True)
        async with opened(browser, gateway.web_address) as page:
            yield page


async def test_it_asks_and_goes_on(page: Watched) -> None:
    await page.says("#state", "waiting for an API key")
    await expect(page.at("#race-go")).to_be_disabled()
    field = page.page.get_by_label("API key", exact=True)
    await expect(field).to_be_focused()
    await expect(page.at("#key-problem")).to_be_hidden()
    await page.page.keyboard.insert_text(f" {SECRET}\u200b\n")
    await page.page.keyboard.press("Enter")
    await expect(page.at("#key-form")).to_be_hidden()
    await page.says("#state", "ready")
    await page.race()
    await page.says("#runs-calls", "export TANDEM_API_KEY=...")
    assert SECRET not in await page.page.content()
    # It is kept in this tab: the page does not ask again.
    await page.page.reload()
    await page.says("#state", "ready")
    await expect(page.at("#key-form")).to_be_hidden()
    assert await page.page.evaluate("localStorage.length + document.cookie.length") == 0


async def test_a_wrong_key_is_told_and_another_may_be_tried(page: Watched) -> None:
    await page.at("#key").fill("tdm_wrong")
    await page.at("#key-form button").click()
    await expect(page.at("#key-problem")).to_be_visible()
    await expect(page.at("#key")).to_have_attribute("aria-invalid", "true")
    await expect(page.at("#key")).to_be_focused()
    await expect(page.at("#key")).to_have_value("")
    await page.at("#key").fill(SECRET)
    await page.at("#key-form button").click()
    await page.says("#state", "ready")
    refusals = [each for each in page.complaints if "401" not in each]
    assert refusals == []


async def test_stop_ends_a_request_that_waits_for_a_key(page: Watched) -> None:
    await page.at("#key").fill(SECRET)
    await page.at("#key-form button").click()
    await page.says("#state", "ready")
    await page.page.evaluate("sessionStorage.clear()")
    await page.at("#text-go").click()
    await expect(page.at("#key-form")).to_be_visible()
    await page.at("#text-stop").click()
    await page.says("#text-problem", "Stopped.")
    await expect(page.at("#text-go")).to_be_enabled()
