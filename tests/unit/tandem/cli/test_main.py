"""The list of commands."""

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app

COMMANDS = ("up", "demo", "generate", "sample", "score", "race", "doctor", "models")


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in COMMANDS:
        assert command in result.stdout


@pytest.mark.parametrize("command", [*COMMANDS, "models list", "models pull", "models check"])
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "-h"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_a_typo_gets_a_suggestion() -> None:
    result = CliRunner().invoke(app, ["generte", "x"])
    assert result.exit_code == 2
    assert "Did you mean 'generate'?" in result.stderr


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("tandem ")
