"""A real browser, Debian's or any other Chromium, driven by playwright; and a page whose complaints are kept."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian package: chromium)")
TIMEOUT_MS = 60_000


@contextlib.asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Run a headless Chromium."""
    # Chromium refuses its sandbox to root, as which containers run tests.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=TIMEOUT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


class Watched:
    """A page at the race, and what its console said."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def at(self, selector: str) -> Locator:
        return self.page.locator(selector)

    async def says(self, selector: str, text: Any) -> None:
        """Wait until the element contains this text."""
        await expect(self.at(selector)).to_contain_text(text)

    async def race(self) -> None:
        """Press Go and wait for the end."""
        await self.at("#race-go").click()
        await expect(self.at("#race-go")).to_have_text("Go again")

    async def scrolls_sideways(self) -> bool:
        return bool(await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@contextlib.asynccontextmanager
async def opened(browser: Browser, address: str, **context: Any) -> AsyncIterator[Watched]:
    """Open the gateway's page; `context` are playwright's options, for example color_scheme."""
    inside = await browser.new_context(base_url=address, **context)
    watched = Watched(await inside.new_page())
    await watched.page.goto("/")
    await expect(watched.at("#state")).not_to_contain_text("asking")
    try:
        yield watched
    finally:
        await inside.close()
