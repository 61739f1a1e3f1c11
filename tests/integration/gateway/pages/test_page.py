"""The page as a whole: what is served, what is gone, and its manners at any width."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tandem.ar.v1 import ar_pb2
from tests.browser import Watched, needs_chromium
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.pages.scripted import page_of
from tests.integration.gateway.running import RunningGateway

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="package")]


async def test_a_backend_that_is_gone_and_comes_back(ar: FakeBackend, page: Watched) -> None:
    await ar.stop()
    await page.says("#state", "sequential backend gone")
    await page.says("#sequential-problem", f"The sequential backend is gone ({ar.target} not ready)")
    await page.says("#text-problem", "The sequential backend is gone")
    await expect(page.at("#text-go")).to_be_disabled()
    await page.race()
    await page.says("#race-verdict", "In parallel: 1 sneaker in ")
    await page.says("#race-verdict", "The sequential side could not take part.")
    await ar.start()
    await page.says("#state", "ready")
    await expect(page.at("#sequential-problem")).to_be_hidden()
    await page.race()
    await page.says("#race-verdict", "In sequence: 1 sneaker in ")
    assert page.complaints == []


async def test_a_gateway_that_is_gone(gateway: RunningGateway, page: Watched) -> None:
    await page.says("#state", "ready")
    await gateway.stop(0)
    await expect(page.at("#lost")).to_be_visible()
    await page.says("#state", "the gateway does not answer")
    await page.race()
    await page.says("#sequential-problem", "The connection is lost")
    assert all("ERR_CONNECTION_REFUSED" in each for each in page.complaints)


async def test_models_can_be_chosen_where_there_are_several(browser: Browser, gan: FakeBackend) -> None:
    texts = [ar_pb2.Model(name=name, modality="text") for name in ("small", "large")]
    images = [
        ar_pb2.Model(name=name, modality="image", num_classes=3, tokens_per_image=4) for name in ("tiles", "groups")
    ]
    async with page_of(browser, gan, *texts, *images) as (page, servicer):
        await expect(page.at("#parallel-name")).to_be_disabled()
        await page.at("#sequential-name").select_option("groups")
        await page.race()
        assert servicer.requests[-1].model == "groups"
        await page.at("#text-model").select_option("large")
        await page.at("#text-go").click()
        await page.says("#text-summary", "bits a token")
        assert servicer.requests[-1].model == "large"


async def test_no_width_scrolls_sideways(page: Watched) -> None:
    await page.race()
    await page.at("summary").click()
    for width in (320, 1280):
        await page.page.set_viewport_size({"width": width, "height": 700})
        await page.at("#text-go").click()
        await page.says("#text-summary", "bits a token")
        await page.at(".token").last.focus()
        await expect(page.at("#alternatives")).to_be_visible()
        assert not await page.scrolls_sideways()
        box = await page.at("#alternatives").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


async def test_names_of_models_are_text_not_markup(browser: Browser, gan: FakeBackend) -> None:
    name = '<img src=x onerror="document.title=1">'
    model = ar_pb2.Model(name=name, modality="image", num_classes=1, class_names=[name], tokens_per_image=4)
    async with page_of(browser, gan, model) as (page, _):
        await page.says("#sequential-name", name)
        await page.race()
        assert await page.at("img").count() == 0
        assert await page.page.title() == "Tandem: in sequence, in parallel"
        assert page.complaints == []
