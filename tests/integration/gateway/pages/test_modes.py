"""One question in each mode of a text model: what is asked, what each step brought, and whether the texts are equal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from playwright.async_api import Browser, expect

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.shared.errors import Unavailable
from tests.browser import Watched, needs_chromium
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.pages.scripted import Sequential, page_of

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="package")]

TOKENS = ("Hello", " wör", "ld", "!", "<|im_end|>")
END_TOKEN = len(TOKENS) - 1
CHECKED = ((0,), (1, 2), (3, 4))
REJECTED = ("", "d\n or", "")
SHADED = "[style='--shade: 22%;']"
MODEL = ar_pb2.Model(name="plain", modality="text", special_token_ids=[END_TOKEN])
IN_STEPS = ar_pb2.Model(name="in-steps", modality="text", special_token_ids=[END_TOKEN], takes_steps=True)


class InModes(Sequential):
    """Says TOKENS: one a message, or as many as are asked for a step, these from the last place to the first; where
    tokens may be tried ahead, as CHECKED and REJECTED have it.
    """

    checked_text = "Hello wörld!"

    async def generate(self, request: ar_pb2.GenerateRequest, call: Call) -> AsyncIterator[ar_pb2.GenerateResponse]:
        self._begin(request)
        sampling = request.sampling
        if not sampling.HasField("speculative_tokens"):
            messages = [_message(tokens, rejected) for tokens, rejected in zip(CHECKED, REJECTED, strict=True)]
            messages[-1].text_delta = self.checked_text
            usage = ar_pb2.Usage(output_tokens=5, drafted_tokens=4, accepted_tokens=2)
        else:
            size = sampling.tokens_per_step or 1
            order = range(5) if size == 1 else (4, 3, 2, 1, 0)
            messages = [_message(order[first : first + size], "", places=size > 1) for first in range(0, 5, size)]
            messages[-1].text_delta = "Hello wörld!"
            usage = ar_pb2.Usage(output_tokens=5)
        messages[-1].finish_reason = ar_pb2.FINISH_REASON_STOP
        messages[-1].usage.CopyFrom(usage)
        messages[-1].timings.CopyFrom(Timings(decode_seconds=0.5))
        for message in messages:
            yield message


def _message(tokens: Sequence[int], rejected: str, places: bool = False) -> ar_pb2.GenerateResponse:
    logprobs = [ar_pb2.TokenLogprob(token_id=token, logprob=-0.5, token=TOKENS[token].encode()) for token in tokens]
    placed = tokens if places else ()
    return ar_pb2.GenerateResponse(token_ids=tokens, logprobs=logprobs, rejected_text=rejected, places=placed)


async def test_sequential_and_checked_side_by_side(browser: Browser, gan: FakeBackend) -> None:
    async with page_of(browser, gan, MODEL, kind=InModes) as (page, servicer):
        await page.at("#text-temperature").fill("0.5")
        await _compare(page)
        await page.says("#text-summary", "Checked wrote the very text of sequential, in 3 steps instead of 5.")
        await expect(page.at("#modes h3")).to_have_text(["Sequential", "Checked"])
        sequential, checked = page.at("#modes .tokens").first, page.at("#modes .tokens").last
        await expect(sequential).to_have_text("Hello wörld!end")
        await expect(checked).to_have_text("Hello wörd↵ orld!end")
        await expect(checked.locator("del")).to_have_text("d↵ or")
        await expect(sequential.locator(SHADED)).to_have_text([" wör", "!"])
        await expect(checked.locator(SHADED)).to_have_text([" wör", "ld"])
        figures = page.at("#modes .count")
        await expect(figures.first).to_have_text("5 tokens in 5 steps, 1 a step; 500 ms, 8 tokens a second.")
        await expect(figures.last).to_contain_text("in 3 steps, 1.7 a step; ")
        await expect(figures.last).to_contain_text("2 of 4 tokens tried ahead held.")
        await page.at("#modes-rejected").uncheck()
        await expect(checked.locator("del")).to_be_hidden()
        await expect(page.at("#text-output")).to_be_hidden()
        await expect(page.at(".legend")).to_be_hidden()
        one_by_one, with_drafts = (request.sampling for request in servicer.requests)
        assert (one_by_one.speculative_tokens, with_drafts.HasField("speculative_tokens")) == (0, False)
        assert one_by_one.HasField("seed")
        assert one_by_one.seed == with_drafts.seed
        assert one_by_one.temperature == with_drafts.temperature == 0.5
        assert page.complaints == []


async def test_a_model_that_takes_steps_has_a_third_column(browser: Browser, gan: FakeBackend) -> None:
    async with page_of(browser, gan, IN_STEPS, kind=InModes) as (page, servicer):
        await page.at("#modes-together").select_option("2")
        await _compare(page)
        await page.says("#text-summary", "Checked wrote the very text")
        await expect(page.at("#modes h3")).to_have_text(["Sequential", "Parallel: 2 a step", "Checked"])
        await expect(page.at("#modes .tokens").nth(1)).to_have_text("Hello wörld!end")
        await expect(page.at("#modes .tokens").nth(1).locator(SHADED)).to_have_count(0)
        await expect(page.at("#modes .count").nth(1)).to_contain_text("5 tokens in 3 steps, 1.7 a step; ")
        await expect(page.at("#modes-parallel-note")).to_be_visible()
        assert [request.sampling.tokens_per_step for request in servicer.requests] == [0, 2, 0]
        for width in (320, 1280):
            await page.page.set_viewport_size({"width": width, "height": 700})
            assert not await page.scrolls_sideways()


async def test_a_text_that_differs_is_told(browser: Browser, gan: FakeBackend) -> None:
    async with page_of(browser, gan, MODEL, kind=InModes) as (page, servicer):
        servicer.checked_text = "Hello world!"
        await _compare(page)
        await page.says("#text-summary", "Checked wrote another text than sequential, which is a fault")


async def test_an_error_is_shown_and_a_question_follows(browser: Browser, gan: FakeBackend) -> None:
    async with page_of(browser, gan, MODEL, kind=InModes) as (page, servicer):
        servicer.error = Unavailable("out of order")
        await _compare(page)
        await page.says("#text-problem", "Not available: out of order.")
        await expect(page.at("#text-summary")).to_be_hidden()
        servicer.error = None
        await page.at("#text-go").click()
        await page.says("#text-summary", "bits a token")
        await expect(page.at("#modes")).to_be_hidden()
        await _compare(page)
        await page.says("#text-summary", "Checked wrote the very text")
        assert [message.role for message in servicer.requests[-1].chat.messages] == ["user", "assistant", "user"]
        await page.at("#text-new").click()
        await expect(page.at("#modes")).to_be_hidden()


async def _compare(page: Watched) -> None:
    await page.at("#text-modes").click()
