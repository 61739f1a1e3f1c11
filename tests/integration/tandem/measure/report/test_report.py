"""The report in a real browser: drawn, quiet, alone, readable at any width and on any ground."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tandem.measure.report.report import write_report
from tandem.measure.report.sources import read_sources
from tests.browser import Watched, needs_chromium, running_browser
from tests.unit.tandem.measure.report.conftest import results  # noqa: F401  a fixture

# One browser for all of them, in the event loop that it was started in.
pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(results: Path, tmp_path_factory: Any) -> Path:  # noqa: F811
    folder: Path = tmp_path_factory.mktemp("report")
    write_report(read_sources([results]), folder / "report.html", folder / "pictures")
    return folder / "report.html"


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_drawn_without_a_complaint_and_asks_nobody(
    report: Path, browser: Browser, width: int, scheme: Any
) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    watched = Watched(await context.new_page())
    asked: list[str] = []
    watched.page.on("request", lambda request: asked.append(request.url))
    await watched.page.goto(report.as_uri())
    for summary in await watched.at("summary").all():
        await summary.click()
    assert await watched.at(".plot > svg:visible").count() == await watched.at(".plot").count() > 5
    assert watched.complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert not await watched.scrolls_sideways()
    # A table that is wider than the page scrolls inside itself; none is cut off.
    cut_off = "[...document.querySelectorAll('table')].filter(each => getComputedStyle(each.parentElement).overflowX"
    assert await watched.page.evaluate(f"{cut_off} !== 'auto').length") == 0
    ground, ink = await watched.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('.plot text')).fill]"
    )
    assert (_brightness(ground) < 128) is (scheme == "dark")
    assert abs(_brightness(ground) - _brightness(ink)) > 128
    await context.close()


async def test_a_curve_follows_the_ground_when_that_changes(report: Path, browser: Browser) -> None:
    context = await browser.new_context(color_scheme="light")
    page = await context.new_page()
    await page.goto(report.as_uri())
    colour = "() => getComputedStyle(document.querySelector('#cost-quality use')).stroke"
    before = await page.evaluate(colour)
    await page.emulate_media(color_scheme="dark")
    await page.wait_for_function(f"before => ({colour})() !== before", arg=before)
    await context.close()


def _brightness(colour: str) -> float:
    parts = [float(part) for part in colour[colour.index("(") + 1 : colour.index(")")].split(",")[:3]]
    return sum(parts) / 3
