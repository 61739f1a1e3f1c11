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
from tests.contract.pages import FENCE, GUIDES, PAGES, ROOT, commands, words_of
from tests.contract.source import PACKAGES

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


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


def command_and_options(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words name, and the options among the rest. Raises KeyError."""
    command: Any = typer.main.get_command(app)
    rest = words[1 : words.index("--") if "--" in words else None]  # behind it is another's command
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        command = command.commands[rest.pop(0)]
    return command, [word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)]


# Placeholders of a command's name in a sentence.
GENERIC = {"COMMAND", "...", "…"}


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


# Commands that need neither a server nor weights: they are run as the pages have them. Those that ask a server are run
# against the real product by tests/e2e/test_pages.py, which says what is left out.
ALONE = (["models", "list"], ["doctor"], ["settings"], ["keys", "new"], ["gateway", "config"], ["--version"])


def typed_alone() -> list[str]:
    """Return the commands of ALONE on the pages, each once, without what the shell makes of their output."""
    found = {shlex.join(words_of(text)[1:]) for page in GUIDES for text in commands(page) if is_alone(words_of(text))}
    return sorted(found)


def is_alone(words: list[str]) -> bool:
    named = any(words[1 : 1 + len(each)] == each for each in ALONE)
    return words[:1] == ["tandem"] and named and (words[1] != "keys" or len(words) > 3)  # else a command's name alone


@pytest.mark.parametrize("text", typed_alone())
def test_commands_that_need_no_server_run(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ended = CliRunner().invoke(app, shlex.split(text))
    assert (ended.exit_code, ended.stdout != "") == (0, True), ended.output


def all_commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the names of a command and of all below it, as they are typed."""
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from all_commands(below, (*path, name))


@pytest.mark.parametrize("path", list(all_commands(typer.main.get_command(app))), ids=" ".join)
def test_every_command_has_help_that_fits_80_columns(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ended = CliRunner().invoke(app, [*path, "--help"])
    assert ended.exit_code == 0
    assert f"Usage: tandem {' '.join(path)}".strip() in ended.stdout.replace("root", "tandem")
    assert max(map(len, ended.stdout.splitlines())) <= 80


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_and_modules_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in commands(page):
        words = words_of(text)
        if words[:1] == ["make"] and len(words) > 1:
            assert {word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)} <= targets, text
        if len(words) > 2 and words[0] in ("python", "python3") and words[1] == "-m":
            own = words[2].split(".")[0] in (*PACKAGES, "tests")
            assert not own or find_spec(words[2]) is not None, text


def test_make_bench_runs_every_benchmark_that_has_no_target_of_its_own() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", "")
    listed = re.findall(r"^BENCHMARKS := (.*)$", makefile, re.MULTILINE)[0].split()
    alone = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"__init__"}
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert {path.parent.name for path in (ROOT / "benchmarks").glob("*/__main__.py")} | alone <= {*listed, *targets}
    assert all(find_spec(f"benchmarks.{name}") for name in listed)


def test_the_page_of_settings_is_current() -> None:
    printed = CliRunner().invoke(app, ["settings"]).output
    assert (ROOT / "docs" / "settings.md").read_text() == printed, "run `tandem settings > docs/settings.md`"


def test_examples_on_the_page_are_those_that_run() -> None:
    blocks = [
        block for language, block in FENCE.findall((ROOT / "docs" / "clients.md").read_text()) if language == "python"
    ]
    assert blocks == [(ROOT / "examples" / name).read_text() for name in ("stream_text.py", "sample_images.py")]


def test_queries_on_the_pages_are_of_recording_rules() -> None:
    rules = set(re.findall(r"record: (\S+)", (ROOT / "deploy" / "prometheus" / "recording_rules.yml").read_text()))
    asked = {name for page in GUIDES for name in re.findall(r"`(tandem:\w+:\w+)", page.read_text())}
    assert asked
    assert asked <= rules
