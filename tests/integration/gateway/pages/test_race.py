"""The race on the page: its keyboard, its course, and what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest
from playwright.async_api import Browser, Error, Route, expect

from tandem.ar.v1 import ar_pb2
from tests.browser import Watched, needs_chromium
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.pages.scripted import NUM_TILES, page_of
from tests.integration.gateway.running import RunningGateway
from tests.waiting import until

JUDGE = ar_pb2.Model(name="judge", modality="image", num_classes=3, tokens_per_image=4, can_score_images=True)

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="package")]


async def test_a_race_by_keyboard_alone(
    gateway: RunningGateway, ar: FakeBackend, gan: FakeBackend, page: Watched
) -> None:
    await expect(page.at("#race-go")).to_be_enabled()
    keyboard = page.page.keyboard
    await page.page.evaluate("document.querySelector('#race').scrollIntoView()")
    for _ in range(30):
        await keyboard.press("Tab")
        if await page.at("input[name=class]:focus").count():
            break
    await keyboard.press("ArrowRight")
    await keyboard.press("Tab")
    await expect(page.at("#race-go")).to_be_focused()
    await keyboard.press("Enter")
    await page.says(
        "#race-verdict", "In parallel: 1 bag in 5 ms. In sequence: 1 bag in 30 ms. The sequential model took 6 "
    )
    await expect(page.at("#sequential-watch")).to_have_text("30 ms")
    await expect(page.at("#parallel-watch")).to_have_text("5 ms")
    await page.says("#sequential-count", f"{NUM_TILES} of {NUM_TILES} tiles of one bag")
    assert ar.servicer.requests[-1].class_label == 1
    assert list(gan.servicer.requests[-1].labels) == [1]
    await page.says("#sequential-likelihood", "Known: 0.7 bits a tile")
    await page.says("#parallel-likelihood", "Not known: a GAN")
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", transport="http", code="OK") == 2
    assert page.complaints == []


async def test_a_verdict_that_comes_after_the_next_race_has_begun_is_not_shown(
    browser: Browser, gan: FakeBackend
) -> None:
    async with page_of(browser, gan, JUDGE) as (page, _):
        await page.race()
        may_pass = asyncio.Event()

        async def wait(route: Route) -> None:
            await may_pass.wait()
            with contextlib.suppress(Error):  # the page has cancelled it
                await route.continue_()

        await page.page.route("**/Score", wait)
        await page.at("#judge").click()
        await page.race()
        may_pass.set()
        await expect(page.at("#judge")).to_be_enabled()
        await page.says("#parallel-likelihood", "Not known: a GAN gives no probability of what it draws.")
        await page.at("#judge").click()
        await page.says("#parallel-likelihood", "Not known to the GAN; by judge: 2.0 bits a tile")
        assert page.complaints == []


async def test_a_wall_that_fits_no_reply_comes_in_parts(browser: Browser, gan: FakeBackend) -> None:
    """Twice: a refusal, then a stream. The judge gets the wall whole."""
    gan.servicer.max_reply_images = 15
    async with page_of(browser, gan, JUDGE) as (page, servicer):
        await page.at("#race-count").select_option("16")
        await page.race()
        await page.says("#race-verdict", "In parallel: 16 ")
        await page.at("#judge").click()
        await page.says("#parallel-likelihood", "Not known to the GAN; by judge: 2.0 bits a tile on average")
        judged = servicer.scored[0].images
        seed = gan.servicer.requests[-1].sample.seed
        assert list(judged.images.shape) == [16, 4, 4, 1]
        assert judged.images.data == b"".join(bytes([(seed + index) % 256]) * 16 for index in range(16))
        assert len(judged.labels) == 16


async def test_stop_ends_the_work(gateway: RunningGateway, ar: FakeBackend, page: Watched) -> None:
    ar.servicer.hold.clear()
    await page.at("#race-go").click()
    await page.says("#sequential-count", f"1 of {NUM_TILES} tiles")
    await expect(page.at("#race-go")).to_have_text("Stop")
    await page.at("#race-go").click()
    await page.says("#sequential-problem", "Stopped. The gateway has cancelled")
    await page.says("#race-verdict", f"Stopped after 1 of {NUM_TILES} tiles in sequence, 1 sneaker in parallel")
    await until(ar.servicer.cancelled.is_set)
    await until(lambda: gateway.value("tandem_requests_total", transport="http", code="CANCELLED") == 1)
    assert page.complaints == []


async def test_stop_in_the_pause_between_two_races_ends_them(ar: FakeBackend, page: Watched) -> None:
    # Pauses last until the test ends them, and are counted.
    await page.page.evaluate(
        """() => {
            const wait = setTimeout;
            window.pauses = [];
            window.setTimeout = (end, ms) => {
                if (ms !== 700) return wait(end, ms);
                document.body.dataset.pauses = pauses.push(end);
            };
        }"""
    )
    await page.at("#race-slow").uncheck()
    await page.at("#race-repeat").check()
    await page.at("#race-go").click()
    await expect(page.at("body")).to_have_attribute("data-pauses", "1")
    await page.page.evaluate("pauses[0]()")
    await expect(page.at("body")).to_have_attribute("data-pauses", "2")
    await page.says("#race-verdict", "In parallel: 1 sneaker")
    await expect(page.at("#race-go")).to_have_text("Stop")
    await page.at("#race-go").click()
    await expect(page.at("#race-go")).to_have_text("Go again")
    await expect(page.at("#race-repeat")).not_to_be_checked()
    await page.page.evaluate("pauses[1]()")
    await page.race()
    assert len(ar.servicer.requests) == 3
    assert page.complaints == []


async def test_a_backend_that_dies_in_the_race(ar: FakeBackend, page: Watched) -> None:
    ar.servicer.hold.clear()
    await page.at("#race-go").click()
    await page.says("#sequential-count", f"1 of {NUM_TILES} tiles")
    await ar.stop()
    await page.says("#sequential-problem", re.compile("Not available|is gone|Stopped"))
    await page.says("#race-verdict", "The sequential side did not finish.")
    await page.says("#sequential-problem", "This side works again when it is back")
    await ar.start()
    await page.says("#state", "ready")
    await expect(page.at("#sequential-problem")).not_to_contain_text("is gone")
    assert page.complaints == []


async def test_a_class_goes_by_its_name_where_the_models_number_them_otherwise(
    browser: Browser, gan: FakeBackend
) -> None:
    names = ["coat", "sneaker", "hat"]
    model = ar_pb2.Model(
        name="other", modality="image", num_classes=3, class_names=names, tokens_per_image=4, can_score_images=True
    )
    async with page_of(browser, gan, model) as (page, servicer):
        await page.race()
        assert servicer.requests[-1].class_label == 1
        assert list(gan.servicer.requests[-1].labels) == [0]
        await page.at("#judge").click()
        await page.says("#parallel-likelihood", "by other")
        assert list(servicer.scored[0].images.labels) == [1]
        await page.at("#race-classes").get_by_text("hat").click()
        await page.race()
        await page.says("#parallel-problem", "Refused: fake-gan draws no hat.")
        assert page.complaints == []
