"""Held text: the paragraphs of the Debian Administrator's Handbook, as Debian packages it (debian-handbook, English).

Fetched and cut out of its pages here, never committed; the digest of the text goes into the results. Also the source of
every prompt that is timed: real prose, a new passage each time.
"""

import hashlib
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from benchmarks.peers.installing import once, unpack_debian_package

PACKAGE = "debian-handbook"
_PAGES = "usr/share/doc/debian-handbook/html/en-US"
_BLOCKS = ("div", "pre", "table", "ul", "ol", "dl")


@dataclass(frozen=True)
class HeldText:
    """The tokens of a text, and what a result says of it."""

    ids: list[int]
    about: dict[str, Any]


def fetch(folder: Path, tokenizer: Tokenizer) -> HeldText:
    """Return the text, from `folder` if it is there. Raises CannotSetUp."""
    once(folder / "held_text", PACKAGE, lambda home: unpack_debian_package(PACKAGE, home, home / "log"))
    pages = sorted((folder / "held_text" / _PAGES).glob("*.html"))
    text = "\n\n".join(paragraph for page in pages for paragraph in paragraphs(page.read_text()))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    digest = hashlib.sha256(text.encode()).hexdigest()
    return HeldText(ids, {"package": PACKAGE, "sha256": digest, "num_tokens": len(ids)})


def paragraphs(page: str) -> list[str]:
    """Return the paragraphs of a page, without listings and tables."""
    parser = _Paragraphs()
    parser.feed(page)
    return [words for parts in parser.found if (words := " ".join("".join(parts).split()))]


class _Paragraphs(HTMLParser):
    """Collects the text of each `div class="para"`, without what it holds of other blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self._open: list[list[str] | None] = []  # the blocks that are open: where their text goes

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _BLOCKS:
            return
        self._open.append([] if ("class", "para") in attrs else None)
        if self._open[-1] is not None:
            self.found.append(self._open[-1])

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] is not None:
            self._open[-1].append(data)
