"""Lines of tokens."""

from tandem.cli.use.token_view import token_line
from tandem.client import TokenLogprob


def test_bytes_that_are_no_text_and_control_characters_are_shown_safely() -> None:
    line = token_line(TokenLogprob(1, -0.1, b"\xff\x1b\n")).plain
    assert "\\x1b\\n" in line
    assert line.isprintable()
