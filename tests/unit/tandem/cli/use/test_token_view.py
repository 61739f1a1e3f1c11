"""Lines of tokens."""

import math

import pytest

from tandem.cli.use.token_view import token_line
from tandem.client import Alternative, TokenLogprob


@pytest.mark.parametrize(("probability", "style"), [(0.95, "bright_green"), (0.3, "yellow"), (0.001, "red")])
def test_the_colour_says_how_sure_the_model_was(probability: float, style: str) -> None:
    line = token_line(TokenLogprob(1, math.log(probability), b" a"))
    assert line.spans[0].style == style or line.style == style
    assert f"{probability:.2%}" in line.plain


def test_alternatives_leave_the_token_itself_out() -> None:
    others = (Alternative(1, -0.1, b"x"), Alternative(2, -3.0, b"y"))
    line = token_line(TokenLogprob(1, -0.1, b"x", others)).plain
    assert "instead: 'y' 4.98%" in line
    assert line.count("'x'") == 1


def test_bytes_that_are_no_text_and_control_characters_are_shown_safely() -> None:
    line = token_line(TokenLogprob(1, -0.1, b"\xff\x1b\n")).plain
    assert "\\x1b\\n" in line
    assert line.isprintable()


def test_a_token_without_text_is_shown_by_its_number() -> None:
    line = token_line(TokenLogprob(5, -0.1, b"", (Alternative(9, -3.0, b""),))).plain
    assert "#5" in line
    assert "instead: #9 4.98%" in line
