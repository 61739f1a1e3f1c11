"""The page in a real browser, before backends that answer by script: its states, its keyboard, its manners."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from runtime.errors import InvalidArgument
from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from tandem.ar.v1 import ar_pb2
from tests.browser import Watched, needs_chromium, opened, running_browser
from tests.integration.gateway.fakes import FakeBackend, serving
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.tandem.fakes import FakeParallel, FakeSequential

pytestmark = needs_chromium

NUM_TILES = 4  # of an image of the scripted model


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


class Sequential(FakeSequential):
    """Has these models instead of its own."""

    def __init__(self, *models: ar_pb2.Model) -> None:
        super().__init__()
        self._models = models

    async def list_models(self, request: object, call: object) -> ar_pb2.ListModelsResponse:
        return ar_pb2.ListModelsResponse(models=self._models)


@contextlib.asynccontextmanager
async def page_of(
    browser: Browser, gan: FakeBackend, *models: ar_pb2.Model
) -> AsyncIterator[tuple[Watched, Sequential]]:
    """The page of a gateway whose sequential backend has these models."""
    async with serving(SEQUENTIAL, Sequential(*models)) as ar, running_gateway([ar], [gan]) as gateway:
        await gateway.until(serving=True)
        async with opened(browser, address(gateway)) as page:
            yield page, ar.servicer


@pytest.fixture
async def ar() -> AsyncIterator[FakeBackend]:
    async with serving(SEQUENTIAL, FakeSequential()) as backend:
        yield backend


@pytest.fixture
async def gan() -> AsyncIterator[FakeBackend]:
    async with serving(PARALLEL, FakeParallel()) as backend:
        yield backend


def address(gateway: RunningGateway) -> str:
    return f"http://127.0.0.1:{gateway.gateway.http_port}"


@pytest.fixture
async def page(gateway: RunningGateway, browser: Browser) -> AsyncIterator[Watched]:
    async with opened(browser, address(gateway)) as page:
        yield page


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
    await page.says("#race-verdict", "In parallel: 1 bag in ")
    await page.says("#sequential-count", f"{NUM_TILES} of {NUM_TILES} tiles of one bag")
    assert ar.servicer.requests[-1].class_label == 1
    assert list(gan.servicer.requests[-1].labels) == [1]
    await page.says("#sequential-likelihood", "It knows: 0.7 bits a tile")
    await page.says("#parallel-likelihood", "It cannot tell.")
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", transport="http", code="OK") == 2
    assert page.complaints == []


async def test_the_judge_s_verdict_on_the_wall(browser: Browser, gan: FakeBackend) -> None:
    model = ar_pb2.Model(name="judge", modality="image", num_classes=3, tokens_per_image=4, can_score_images=True)
    async with page_of(browser, gan, model) as (page, servicer):
        await page.at("#race-count").select_option("16")
        await page.race()
        await page.at("#judge").click()
        await page.says("#parallel-likelihood", "It cannot tell; judge can: 2.0 bits a tile on average, from 2.0 bits")
        assert list(servicer.scored[0].images.images.shape) == [16, 4, 4, 1]
        assert len(servicer.scored[0].images.labels) == 16
        assert page.complaints == []


async def test_a_wall_that_fits_no_reply_comes_in_parts(browser: Browser, gan: FakeBackend) -> None:
    """Twice: a refusal, then a stream. The judge gets the wall whole."""
    gan.servicer.max_reply_images = 15
    model = ar_pb2.Model(name="judge", modality="image", num_classes=3, tokens_per_image=4, can_score_images=True)
    async with page_of(browser, gan, model) as (page, servicer):
        await page.at("#race-count").select_option("16")
        await page.race()
        await page.says("#race-verdict", "In parallel: 16 ")
        await page.at("#judge").click()
        await page.says("#parallel-likelihood", "It cannot tell; judge can: 2.0 bits a tile on average, from 2.0 bits")
        judged = servicer.scored[0].images
        seed = gan.servicer.requests[-1].sample.seed
        assert list(judged.images.shape) == [16, 4, 4, 1]
        assert judged.images.data == b"".join(bytes([(seed + index) % 256]) * 16 for index in range(16))
        assert len(judged.labels) == 16


async def test_a_replay_asks_nobody(ar: FakeBackend, page: Watched) -> None:
    await page.race()
    num_requests = len(ar.servicer.requests)
    await page.at("#race-replay").click()
    await expect(page.at("#race-go")).to_have_text("Go again")
    await page.says("#race-verdict", "In parallel: 1 sneaker")
    assert len(ar.servicer.requests) == num_requests


async def test_stop_ends_the_work(gateway: RunningGateway, ar: FakeBackend, page: Watched) -> None:
    ar.servicer.hold.clear()
    await page.at("#race-go").click()
    await page.says("#sequential-count", f"1 of {NUM_TILES} tiles")
    await expect(page.at("#race-go")).to_have_text("Stop")
    await page.at("#race-go").click()
    await page.says("#sequential-problem", "Stopped: the gateway was told")
    await page.says("#race-verdict", f"Stopped after 1 of {NUM_TILES} tiles in sequence, 1 sneaker in parallel")
    async with asyncio.timeout(10):
        await ar.servicer.cancelled.wait()
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", transport="http", code="CANCELLED") == 1
    assert page.complaints == []


async def test_a_closed_tab_ends_the_work(gateway: RunningGateway, ar: FakeBackend, page: Watched) -> None:
    ar.servicer.hold.clear()
    await page.at("#race-go").click()
    await page.says("#sequential-count", f"1 of {NUM_TILES} tiles")
    await page.page.close()
    async with asyncio.timeout(10):
        await ar.servicer.cancelled.wait()
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", transport="http", code="CANCELLED") == 1


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


async def test_a_backend_that_dies_in_the_race(ar: FakeBackend, page: Watched) -> None:
    ar.servicer.hold.clear()
    await page.at("#race-go").click()
    await page.says("#sequential-count", f"1 of {NUM_TILES} tiles")
    await ar.stop()
    await page.says("#sequential-problem", re.compile("Not there|is gone|Stopped"))
    await page.says("#race-verdict", "The sequential side did not finish.")
    assert page.complaints == []


async def test_a_full_gateway_says_so(ar: FakeBackend, gan: FakeBackend, browser: Browser) -> None:
    ar.servicer.hold.clear()
    async with running_gateway([ar], [gan], max_in_flight=1) as gateway:
        await gateway.until(serving=True)
        held = gateway.stream(
            "/tandem.ar.v1.AutoregressiveService/Generate", ar_pb2.GenerateRequest(text="a").SerializeToString()
        )
        await ar.servicer.holding.wait()
        async with opened(browser, address(gateway)) as page:
            await page.race()
            await page.says("#sequential-problem", "Not now, nothing was queued: the gateway has as many")
            await page.says("#race-verdict", "In parallel: 1 sneaker")
            # The browser itself notes the refused request; the page adds nothing.
            assert all("429" in each for each in page.complaints)
        held.cancel()


async def test_only_text_is_served(browser: Browser, gan: FakeBackend) -> None:
    async with page_of(browser, gan, ar_pb2.Model(name="only-text", modality="text")) as (page, _):
        await page.says("#sequential-problem", "No sequential model for images is served (only only-text)")
        await expect(page.at("#text-go")).to_be_enabled()
        await page.race()
        await page.says("#race-verdict", "The sequential side could not take part.")
        assert page.complaints == []


async def test_only_images_are_served(gan: FakeBackend, browser: Browser) -> None:
    async with running_gateway([], [gan]) as gateway:
        await gateway.until(serving=True)
        async with opened(browser, address(gateway)) as page:
            await page.says("#text-problem", "The gateway was started without a sequential backend.")
            await page.race()
            await page.says("#race-verdict", "In parallel: 1 sneaker")
            assert page.complaints == []


async def test_a_gateway_that_is_gone(gateway: RunningGateway, page: Watched) -> None:
    await page.says("#state", "ready")
    await gateway.stop(0)
    await expect(page.at("#lost")).to_be_visible()
    await page.says("#state", "the gateway does not answer")
    await page.race()
    await page.says("#sequential-problem", "The connection is lost")
    assert all("ERR_CONNECTION_REFUSED" in each for each in page.complaints)


async def test_tokens_show_their_alternatives_on_hover_and_focus(ar: FakeBackend, page: Watched) -> None:
    await page.at("#text-max").fill("4")
    await page.at("#prompt").fill("Say hello")
    await page.at("#prompt").press("Control+Enter")
    await page.says("#text-summary", "4 tokens, the first after")
    asked: Any = ar.servicer.requests[-1]
    assert (asked.chat.messages[0].content, asked.top_logprobs) == ("Say hello", 5)
    assert await page.at("#text-output").inner_text() == "Hello wörld!"
    await page.at("#text-output .token").nth(2).hover()
    await page.says("#alternatives", "other0")
    await expect(page.at(".choice.chosen")).to_contain_text("61 %")
    await page.at("h1").hover()
    await expect(page.at("#alternatives")).to_be_hidden()
    await page.at("#text-stop, #text-temperature").last.focus()
    await page.page.keyboard.press("Tab")
    await expect(page.at(".token").first).to_be_focused()
    await expect(page.at(".choice.chosen code")).to_have_text("Hello")
    await page.page.keyboard.press("ArrowRight")
    await expect(page.at(".choice.chosen code")).to_have_text("␣wör")
    assert await page.at(".token:focus").get_attribute("aria-describedby") == "alternatives"
    await page.page.keyboard.press("End")
    await expect(page.at(".choice.chosen code")).to_have_text("!")
    await page.page.keyboard.press("Escape")
    await expect(page.at("#alternatives")).to_be_hidden()
    assert page.complaints == []


async def test_the_token_that_ends_a_text_is_not_shown_as_text(ar: FakeBackend, page: Watched) -> None:
    ar.servicer.end_token = b"<|im_end|>"
    await page.at("#text-go").click()
    await page.says("#text-summary", "bits a token")
    await expect(page.at("#text-output .token.end")).to_have_text("end")
    assert "im_end" not in await page.at("#text").inner_text()


async def test_a_question_goes_on_with_the_conversation(ar: FakeBackend, page: Watched) -> None:
    await page.at("#text-max").fill("4")
    for question in ("One", "Two"):
        await page.at("#prompt").fill(question)
        await page.at("#text-go").click()
        await page.says("#turns", question)
    assert [(each.role, each.content) for each in ar.servicer.requests[-1].chat.messages] == [
        ("user", "One"),
        ("assistant", "Hello wörld!"),
        ("user", "Two"),
    ]
    await page.at("#text-anew").click()
    await expect(page.at("#turns")).to_be_hidden()
    await page.at("#text-go").click()
    await page.says("#turns", "Two")
    assert len(ar.servicer.requests[-1].chat.messages) == 1


async def test_an_error_stays_until_the_next_request(ar: FakeBackend, page: Watched) -> None:
    ar.servicer.error = InvalidArgument("sampling.temperature", 11, "0 to 10")
    await page.at("#text-go").click()
    await page.says("#text-problem", "sampling.temperature: 11 is not accepted")
    for _ in range(2):  # answers to the page's own question of what runs
        await page.page.wait_for_event("response", lambda response: response.url.endswith("/status"))
    await page.says("#text-problem", "sampling.temperature: 11 is not accepted")
    ar.servicer.error = None
    await page.at("#text-go").click()
    await page.says("#text-summary", "bits a token")
    await expect(page.at("#text-problem")).to_be_hidden()


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


async def test_a_race_in_slow_motion_and_as_it_was(page: Watched) -> None:
    await page.at("#race-go").click()
    await page.says("#race-verdict", re.compile(r"This is how it went, \d+ times slower"))
    await page.says("#race-verdict", re.compile("times as long|the same time"))
    await page.at("#race-slow").uncheck()
    await page.race()
    await page.says("#race-verdict", re.compile("times as long|the same time"))


async def test_several_against_as_many(ar: FakeBackend, gan: FakeBackend, page: Watched) -> None:
    await page.at("#race-count").select_option("4")
    await page.race()
    await page.says(
        "#race-verdict", re.compile(r"In parallel: 4 sneakers in .+ each. In sequence: 4 sneakers in .+ each")
    )
    await page.says("#sequential-count", f"{4 * NUM_TILES} of {4 * NUM_TILES} tiles of 4 sneakers")
    assert (ar.servicer.requests[-1].sampling.n, gan.servicer.requests[-1].count) == (4, 4)


async def test_steps_can_be_chosen_where_the_model_takes_them(browser: Browser, gan: FakeBackend) -> None:
    models = [
        ar_pb2.Model(name=name, modality="image", num_classes=3, tokens_per_image=4, takes_steps=takes_steps)
        for name, takes_steps in (("plain", False), ("groups", True))
    ]
    async with page_of(browser, gan, *models) as (page, servicer):
        await expect(page.at("#race-steps-label")).to_be_hidden()
        await page.at("#sequential-name").select_option("groups")
        await page.at("#race-steps").fill("2")
        await page.race()
        await page.says("#race-verdict", "In sequence in 2 steps: 1 class 0 in ")
        assert servicer.requests[-1].sampling.steps == 2
        assert page.complaints == []


async def test_a_text_is_scored(ar: FakeBackend, page: Watched) -> None:
    await page.at("#prompt").fill("ab")
    await page.at("#text-score").click()
    await page.says("#text-summary", "1 tokens scored in ")
    await page.says("#text-summary", "2.00 bits a token, as if it chose among 4 at each; log-probability -1.5")
    assert await page.at("#text-output").inner_text() == "ab"
    assert list(ar.servicer.scored[0].texts.texts) == ["ab"]


@pytest.mark.parametrize("width", [320, 1280])
async def test_no_width_scrolls_sideways(gateway: RunningGateway, browser: Browser, width: int) -> None:
    async with opened(browser, address(gateway), viewport={"width": width, "height": 700}) as page:
        await page.race()
        await page.at("summary").click()
        await page.at("#text-go").click()
        await page.says("#text-summary", "bits a token")
        await page.at(".token").last.focus()
        await expect(page.at("#alternatives")).to_be_visible()
        assert not await page.scrolls_sideways()
        box = await page.at("#alternatives").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


async def test_dark_mode_and_stillness(gateway: RunningGateway, browser: Browser) -> None:
    papers = {}
    for scheme in ("light", "dark"):
        async with opened(browser, address(gateway), color_scheme=scheme, reduced_motion="reduce") as page:
            papers[scheme] = await page.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert await page.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
            await page.race()
            assert page.complaints == []
    assert papers["light"] == "rgb(246, 246, 243)"
    assert papers["dark"] == "rgb(19, 20, 22)"


async def test_names_of_models_are_text_not_markup(browser: Browser, gan: FakeBackend) -> None:
    name = '<img src=x onerror="document.title=1">'
    model = ar_pb2.Model(name=name, modality="image", num_classes=1, class_names=[name], tokens_per_image=4)
    async with page_of(browser, gan, model) as (page, _):
        await page.says("#sequential-name", name)
        await page.race()
        assert await page.at("img").count() == 0
        assert await page.page.title() == "Tandem: in sequence, in parallel"
        assert page.complaints == []
