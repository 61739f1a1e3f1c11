"""The walk on the page: when it is asked for again, and when another model takes the place of the first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from playwright.async_api import Route, expect

from tests.browser import Watched, needs_chromium
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.tandem.fakes import CLASS_NAMES

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="package")]


async def show_walker(page: Watched, class_names: Sequence[str] = CLASS_NAMES) -> None:
    """Give the parallel model latents and these classes, as far as the page knows."""

    async def answer(route: Route) -> None:
        response = await route.fetch()
        status = await response.json()
        for side in status["paradigms"]:
            for model in side["models"]:
                if side["paradigm"] == "parallel":
                    model.update(latent_dim=2, num_classes=len(class_names), class_names=list(class_names))
        await route.fulfill(response=response, json=status)

    await page.page.unroute_all()
    await page.page.route("**/status", answer)
    await expect(page.at("#walk-go")).to_be_enabled()


async def test_one_walk_at_a_time_and_one_clock_for_it(gan: FakeBackend, page: Watched) -> None:
    await show_walker(page)
    may_pass = asyncio.Event()

    async def wait(route: Route) -> None:
        await may_pass.wait()
        await route.continue_()

    await page.page.route("**/Sample", wait)
    await page.at("#walk-go").dblclick()
    may_pass.set()
    await page.says("#walk-caption", "From seed 2 ")
    assert len(gan.servicer.requests) == 1
    may_pass.clear()
    await page.at("#walk-from").fill("3")
    await page.at("#walk-go").click()
    await page.at("#walk-play").click()
    may_pass.set()
    await page.says("#walk-caption", "From seed 3 ")
    await page.at("#walk-slider").fill("5")
    # A timer that still moved the slider would come several times before this one.
    await page.page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 500))")
    assert await page.at("#walk-slider").input_value() == "5"
    assert page.complaints == []


async def test_the_classes_are_those_of_the_model_that_is_served_now(page: Watched) -> None:
    await show_walker(page)
    await expect(page.at("#walk-class option")).to_have_text(CLASS_NAMES)
    await page.at("#walk-class").select_option("coat")
    digits = ("zero", "one", "two")
    await show_walker(page, digits)
    await expect(page.at("#walk-class option")).to_have_text(digits)
