"""A command that takes its options in dataclasses has each of them on its command line."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from tandem.cli.grouped import grouped


@dataclass(frozen=True)
class Size:
    """How large."""

    width: Annotated[int, typer.Option("--wide", min=1, help="Its width.")]
    height: Annotated[int, typer.Option(help="Its height.")] = 2


@pytest.fixture
def seen() -> list[Any]:
    return []


@pytest.fixture
def app(seen: list[Any]) -> typer.Typer:
    made = typer.Typer()

    @made.command()
    @grouped
    def draw(*, name: Annotated[str, typer.Option()] = "box", size: Size, is_red: bool = False) -> None:
        """Draw something."""
        seen.append((name, size, is_red))

    return made


def test_fields_are_options_and_come_as_a_whole(app: typer.Typer, seen: list[Any]) -> None:
    assert CliRunner().invoke(app, ["--wide", "3", "--is-red"]).exit_code == 0
    assert CliRunner().invoke(app, ["--height", "5", "--wide", "4", "--name", "bag"]).exit_code == 0
    assert seen == [("box", Size(3, 2), True), ("bag", Size(4, 5), False)]


@pytest.mark.parametrize(
    ("words", "text"), [([], "Missing option '--wide'"), (["--wide", "0"], "greater than or equal to 1")]
)
def test_what_a_field_demands_is_demanded(app: typer.Typer, seen: list[Any], words: list[str], text: str) -> None:
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2
    assert text in ended.output
    assert seen == []
