"""Held text: the paragraphs of the Debian Administrator's Handbook, as Debian packages it (debian-handbook, English).

Fetched and cut out of its pages here, never committed; the digest of the text goes into the results. Also the source of
every prompt that is timed: real prose, a new passage each time.
"""

import hashlib
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from benchmarks.peers.installing import once, unpack_debian_package

PACKAGE = "debian-handbook"
_PAGES = "usr/share/doc/debian-handbook/html/en-US"
_BLOCKS = "div|pre|table|ul|ol|dl|/div"


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
    """Return the paragraphs of a page, each as far as its first listing, list or table."""
    begun = re.findall(rf'<div class="para">(.*?)(?=<(?:{_BLOCKS})\b)', page, re.DOTALL)
    return [words for text in begun if (words := " ".join(html.unescape(re.sub("<[^>]+>", "", text)).split()))]
