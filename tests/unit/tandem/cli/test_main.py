"""The list of commands: each loads when it is called, and explains itself."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import typer.main
from typer.testing import CliRunner

from tandem.cli.main import COMMANDS, app


def words_of(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    yield words
    for name in getattr(command, "commands", ()):
        yield from words_of(command.commands[name], *words, name)


def test_every_command_explains_itself() -> None:
    for words in words_of(typer.main.get_command(app)):
        result = CliRunner().invoke(app, [*words, "-h"])
        assert (result.exit_code, "Usage" in result.stdout) == (0, True), words
    listed = CliRunner().invoke(app, ["--help"]).stdout
    assert all(f" {name} " in listed for name in COMMANDS)


def test_no_command_loads_before_it_is_called() -> None:
    code = "import sys, tandem.cli.main; print(*(name for name in sys.modules if name.startswith('tandem.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= {"tandem.cli", "tandem.cli.main", "tandem.cli.command_line", "tandem.version"}


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("tandem ")
