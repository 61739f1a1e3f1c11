"""The text on the page: tokens, conversations, and errors."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tandem.shared.errors import InvalidArgument
from tests.browser import Watched, needs_chromium
from tests.integration.gateway.fakes import FakeBackend
from tests.waiting import until

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="package")]


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
    await page.at("#text-new").click()
    await expect(page.at("#turns")).to_be_hidden()
    await page.at("#text-go").click()
    await page.says("#turns", "Two")
    assert len(ar.servicer.requests[-1].chat.messages) == 1


async def test_a_new_conversation_ends_the_answer_under_way(ar: FakeBackend, page: Watched) -> None:
    await page.at("#text-max").fill("4")
    await page.at("#prompt").fill("One")
    await page.at("#text-go").click()
    await page.says("#turns", "One")
    ar.servicer.hold.clear()
    await page.at("#text-go").click()
    await page.says("#text-output", "Hello")
    await page.at("#text-new").click()
    await expect(page.at("#text-output")).not_to_contain_text("Hello")
    await until(ar.servicer.cancelled.is_set)
    await page.says("#text-problem", "Stopped.")
    await expect(page.at("#turns")).to_be_hidden()
    ar.servicer.hold.set()
    await page.at("#text-go").click()
    await page.says("#text-summary", "bits a token")
    assert len(ar.servicer.requests[-1].chat.messages) == 1


async def test_the_last_answer_joins_the_turns_when_its_tokens_go(ar: FakeBackend, page: Watched) -> None:
    await page.at("#text-max").fill("4")
    await page.at("#text-go").click()
    await page.says("#text-summary", "bits a token")
    await expect(page.at("#turns")).not_to_contain_text("Hello wörld!")
    await page.at("#text-score").click()
    await page.says("#text-summary", "scored in")
    await page.says("#turns", "Hello wörld!")
    await page.at("#text-go").click()
    await expect(page.at("#turns li")).to_have_count(3)
    ar.servicer.error = InvalidArgument("sampling.temperature", 11, "0 to 10")
    await page.at("#text-go").click()
    await page.says("#text-problem", "is not accepted")
    await expect(page.at("#turns li")).to_have_count(4)


async def test_an_error_stays_until_the_next_request(ar: FakeBackend, page: Watched) -> None:
    ar.servicer.error = InvalidArgument("sampling.temperature", 11, "0 to 10")
    await page.at("#text-go").click()
    await page.says("#text-problem", "sampling.temperature: 11 is not accepted")
    await expect(page.at("#text-summary")).to_be_hidden()  # nothing is waited for
    for _ in range(2):  # answers to the page's own question of what runs
        await page.page.wait_for_event("response", lambda response: response.url.endswith("/status"))
    await page.says("#text-problem", "sampling.temperature: 11 is not accepted")
    ar.servicer.error = None
    await page.at("#text-go").click()
    await page.says("#text-summary", "bits a token")
    await expect(page.at("#text-problem")).to_be_hidden()
