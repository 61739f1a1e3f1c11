"""Help texts are reflowed to the terminal's width."""

from tandem.cli.command_line import reflow


def test_paragraphs_are_kept_and_lines_are_joined() -> None:
    assert reflow("One\ntwo.\n\n    Three\n    four.") == "One two.\n\nThree four."
