"""A page as a browser reads it: its words, a line each paragraph, row or heading, and its elements."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path

_LINES = {"section", "details", "p", "li", "tr", "dt", "dd", "h1", "h2", "h3", "figure", "summary", "figcaption"}
_UNREAD = {"script", "style", "svg"}


class Page(HTMLParser):
    """`attributes` are of all elements; what is in a style or a picture is no text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.titles: list[str] = []  # of points in charts
        self._words: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._open += [tag] if tag in (*_UNREAD, "title") else []
        self._words += ["\n"] if tag in _LINES else ["|"] if tag in ("td", "th") else []

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self._words.append(" ".join(data.split()))
        elif self._open == ["svg", "title"]:
            self.titles.append(data)

    @property
    def text(self) -> str:
        lines = " ".join(self._words).split("\n")
        return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)

    @property
    def charts(self) -> list[str]:
        """Their keys, in the order in which they stand there."""
        pairs = zip(self.attributes, self.attributes[1:], strict=False)
        return [value for (tag, *plot), (_, _, value) in pairs if (tag, *plot) == ("div", "class", "plot")]


def check_golden(name: str, text: str) -> None:
    """Compare with a file of golden/; with GOLDEN=1 in the environment, write it anew."""
    file = Path(__file__).parent / "golden" / name
    if os.environ.get("GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()
