"""README and docs: links lead somewhere, commands exist with their options, what is generated is current."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from tandem.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "models").glob("*/README.md")])
GUIDES = [page for page in PAGES if page.name not in ("CHANGELOG.md", "DECISIONS.md")]
"""Pages that say what to type today; the others tell what once was."""
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for groups in LINK.findall(FENCE.sub("", page.read_text())):
        target = next(filter(None, groups))
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


@pytest.mark.parametrize(("name", "most"), [("README.md", 130), ("ARCHITECTURE.md", 60)])
def test_pages_that_everybody_reads_are_short(name: str, most: int) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= most


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page: lines of code blocks, and code within a sentence."""
    text = page.read_text()
    for language, block in FENCE.findall(text):
        if language in ("", "sh", "bash", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                yield line.removeprefix("$ ").partition("   ")[0].partition(" #")[0].strip()
    for code in INLINE.findall(FENCE.sub("", text)):
        yield " ".join(code.split())


def words_of(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError:  # a fragment with an apostrophe
        return []
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if words and words[0].endswith("bin/tandem"):
        words[0] = "tandem"
    return words


def command_and_options(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words name, and the options among the rest. Raises KeyError."""
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        command = command.commands[rest.pop(0)]
    end = next((place for place, word in enumerate(rest) if word in ("|", ">", ">>", "&")), len(rest))
    return command, [word.partition("=")[0] for word in rest[:end] if re.match(r"--?[a-z]", word)]


# Placeholders of a command's name in a sentence.
GENERIC = {"COMMAND", "...", "…", "|"}


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tandem_commands_exist_with_these_options(page: Path) -> None:
    for text in commands(page):
        words = words_of(text)
        if words[:1] != ["tandem"] or len(words) < 2 or GENERIC & set(words):
            continue
        command, options = command_and_options(words)
        known = {each for parameter in command.params for each in (*parameter.opts, *parameter.secondary_opts)}
        known |= {"--help", "-h"}
        passes_on = command.context_settings.get("ignore_unknown_options", False)
        assert passes_on or set(options) <= known, text


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_and_modules_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in commands(page):
        words = words_of(text)
        if words[:1] == ["make"] and len(words) > 1:
            assert {word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)} <= targets, text
        if len(words) > 2 and words[0] in ("python", "python3") and words[1] == "-m":
            own = words[2].split(".")[0] in (
                "benchmarks",
                "services",
                "gateway",
                "training",
                "tandem",
                "runtime",
                "tests",
            )
            assert not own or find_spec(words[2]) is not None, text


def test_the_page_of_settings_is_current() -> None:
    printed = CliRunner().invoke(app, ["settings"]).output
    assert (ROOT / "docs" / "settings.md").read_text() == printed, "run `tandem settings > docs/settings.md`"


def test_examples_on_the_page_are_those_that_run() -> None:
    blocks = [
        block for language, block in FENCE.findall((ROOT / "docs" / "clients.md").read_text()) if language == "python"
    ]
    assert blocks == [(ROOT / "examples" / name).read_text() for name in ("stream_text.py", "sample_images.py")]
