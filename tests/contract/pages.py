"""README and docs as data: the pages, and the commands that they tell a reader to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "models").glob("*/README.md")])
GUIDES = [page for page in PAGES if page.name not in ("CHANGELOG.md", "DECISIONS.md")]
"""Pages that say what to type; the others say what changed, and why things are as they are."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_AFTER = ("|", ">", ">>", "&")
"""What ends a command for its own program: the rest is the shell's."""


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page: lines of code blocks, and code within a sentence."""
    yield from typed(page)
    for code in _INLINE.findall(FENCE.sub("", page.read_text())):
        yield " ".join(code.split())


def typed(page: Path) -> Iterator[str]:
    """Yield the lines of a page's code blocks that a reader types."""
    for language, block in FENCE.findall(page.read_text()):
        if language in ("", "sh", "bash", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                yield line.removeprefix("$ ").partition("   ")[0].partition(" #")[0].strip()


def words_of(command: str) -> list[str]:
    """Return the words of a command without its variables; none of what is only a fragment."""
    try:
        words = shlex.split(command)
    except ValueError:  # an apostrophe
        return []
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if words and words[0].endswith("bin/tandem"):
        words[0] = "tandem"
    end = next((place for place, word in enumerate(words) if word in _AFTER), len(words))
    return words[:end]
