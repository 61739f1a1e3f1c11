"""Help texts are reflowed to the terminal's width."""

import typer
from typer.testing import CliRunner

from tandem.cli.command_line import CommandLine, reflow


def test_paragraphs_are_kept_and_lines_are_joined() -> None:
    assert reflow("One\ntwo.\n\n    Three\n    four.") == "One two.\n\nThree four."


def test_the_help_of_a_command_is_its_docstring() -> None:
    app = CommandLine(rich_markup_mode="rich")

    @app.command()
    def command(name: str = typer.Option("x", help="A name.")) -> None:
        """Do something.

        The second paragraph is
        in two lines.
        """

    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"})
    assert "The second paragraph is in two lines." in result.output
