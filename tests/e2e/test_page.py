"""The page before the real models: the race, the likelihoods, the walk, the text, and what the metrics say of them."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from services.gan.latents import draw_latents
from tests.browser import Watched, needs_chromium, opened, running_browser
from tests.e2e.stacks import running_stack
from tests.tiny_models import add_to_repository

# One browser for all of them, in the event loop that it was started in.
pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]

COMMITTED = Path(__file__).parents[2] / "models" / "fashion-ar"
SAMPLE = "/tandem.gan.v1.GanService/Sample"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The committed pair and a tiny language model behind a gateway; its web address."""
    models_dir = tmp_path_factory.mktemp("models")
    add_to_repository(models_dir)
    (models_dir / "fashion-ar").symlink_to(COMMITTED)
    with running_stack(ar=("--models", "tiny,fashion-ar", "--models-dir", str(models_dir))) as stack:
        yield stack.web


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def http(web: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=web, timeout=60) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def page(web: str, browser: Browser) -> AsyncIterator[Watched]:
    async with opened(browser, web) as page:
        yield page
        assert page.complaints == []


async def test_the_race_and_what_is_known_of_it(http: httpx.AsyncClient, page: Watched) -> None:
    await expect(page.at("#race-classes label")).to_have_count(10)
    await page.race()
    await page.says(
        "#race-verdict",
        re.compile(r"In parallel: 1 sneaker in .+\. In sequence: 1 sneaker in .+ took .+ as long|the same time"),
    )
    await page.says("#sequential-count", "49 of 49 tiles of one sneaker")
    await page.says(
        "#sequential-likelihood", re.compile(r"Known: \d\.\d bits a tile\. .+ once in about 10[⁰-⁹¹²³]+ times")
    )
    await page.at("#judge").click()
    await page.says("#parallel-likelihood", re.compile(r"Not known to the GAN; by fashion-ar: \d\.\d bits a tile\."))
    # The table of the clock tells the counters that Prometheus reads.
    await page.says("#clock-table", "1 image")
    metrics = (await http.get("/metrics")).text
    assert 'tandem_outputs_total{model="fashion-ar",paradigm="sequential",unit="image"} 1.0' in metrics
    assert 'tandem_outputs_total{model="fashion-gan",paradigm="parallel",unit="image"} 1.0' in metrics
    assert re.search(
        r'tandem_requests_total\{code="OK",model="fashion-ar",.*rpc="Generate",transport="http"\} 1\.0', metrics
    )
    await page.at("summary").click()
    await page.says("#race-phases", "token after token")
    # Both curves have a point by now, or will at the history's next step.
    await expect(page.at("#clock-latency path.main")).to_have_count(2)


async def test_the_pictures_are_seen(page: Watched) -> None:
    """Both canvases hold images: neither empty nor the grid that was there before."""
    await page.race()
    for canvas in ("sequential", "parallel"):
        shades = await page.page.evaluate(
            """(id) => {
                const canvas = document.getElementById(id);
                const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                return new Set(pixels.filter((_, place) => place % 4 === 0)).size;
            }""",
            f"{canvas}-canvas",
        )
        assert shades > 50


async def test_latents_of_seeds_are_the_server_s(page: Watched) -> None:
    """One page for all seeds: to open it takes longer than they do."""
    for seed in (0, 1, 8, 123_456, 999_999):
        latent = await page.page.evaluate(
            "async (seed) => (await import('/pages/walk/latents.js')).latentOf(seed, 130)", seed
        )
        np.testing.assert_array_equal(np.array(latent, np.float32), draw_latents(seed, 0, 1, 130)[0], f"seed {seed}")


async def test_a_walk_begins_and_ends_at_the_pictures_of_its_seeds(http: httpx.AsyncClient, page: Watched) -> None:
    await page.at("#walk-from").fill("")
    await page.at("#walk-go").click()
    async with page.page.expect_response("**/status"):
        pass
    await page.says("#walk-problem", "A seed is a whole number")
    await page.at("#walk-class").select_option("bag")
    await page.at("#walk-from").fill("3")
    await page.at("#walk-to").fill("77")
    async with page.page.expect_response(f"**{SAMPLE}") as answered:
        await page.at("#walk-go").click()
    await page.says("#walk-caption", "From seed 3 to seed 77: 49 images in one request")
    walked = base64.b64decode((await (await answered.value).json())["images"]["data"])
    size = 28 * 28
    for seed, picture in ((3, walked[:size]), (77, walked[-size:])):
        reply = (await http.post(SAMPLE, json={"seed": seed, "labels": [8]})).json()
        assert base64.b64decode(reply["images"]["data"]) == picture
    steps = np.frombuffer(walked, np.uint8).reshape(49, size).astype(int)
    jumps = np.abs(np.diff(steps, axis=0)).mean(axis=1)
    assert jumps.max() < np.abs(steps[-1] - steps[0]).mean()
    await page.at("#walk-slider").focus()
    await page.page.keyboard.press("End")
    await expect(page.at("#walk-canvas")).to_have_attribute("aria-label", "100 % of the way from seed 3 to seed 77")


async def test_a_walk_that_stands_still_on_request(web: str, browser: Browser) -> None:
    async with opened(browser, web, reduced_motion="reduce") as page:
        await page.at("#walk-go").click()
        await expect(page.at("#walk-play")).to_have_text("Play")
        await expect(page.at("#walk-canvas")).to_have_attribute("aria-label", re.compile("^0 % of the way"))


async def test_the_language_model_streams_and_its_answer_can_be_scored(page: Watched) -> None:
    await page.at("#text-max").fill("12")
    await page.at("#text-go").click()
    await page.says("#text-summary", re.compile(r"\d+ tokens, the first after .+ bits a token"))
    await page.at("#text-output .token").first.hover()
    await expect(page.at(".choice.chosen")).to_have_count(1)
    assert await page.at(".choice").count() >= 5
    await page.at("#prompt").fill("The two clocks in the station")
    await page.at("#text-score").click()
    await page.says("#text-summary", "tokens scored in")
    assert await page.at("#text-output").inner_text() == "The two clocks in the station"


async def test_checked_writes_what_sequential_writes(page: Watched) -> None:
    """The most probable tokens of an untrained model repeat themselves, so that drafts hold."""
    await page.at("#text-temperature").fill("0")
    await page.at("#text-max").fill("400")
    await page.at("#text-modes").click()
    await page.says("#text-summary", "Checked wrote the very text of sequential, in ")
    await page.says("#modes .mode:last-child", re.compile(r"\d+ of \d+ tokens tried ahead held"))
