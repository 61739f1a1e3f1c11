"""What reaches a terminal, and durations for people."""

import pytest

from tandem.cli.terminal import Terminal, printable, seconds_text


def test_no_control_character_reaches_a_terminal() -> None:
    assert printable("a\x1b[31mb\r\x07c\n\td é 日本") == "a�[31mb��c\n\td é 日本"


def test_a_pipe_gets_the_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().write("a\x1b[31m")
    assert capsys.readouterr().out == "a\x1b[31m"


def test_errors_and_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.fail("[bold] is not markup here " + "x" * 200)
    terminal.note("note")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: [bold] is not markup here " + "x" * 200 + "\nnote\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 µs"), (0.000123, "123 µs"), (0.00123, "1.23 ms"), (0.1234, "123 ms"), (0.9996, "1 s"), (61.5, "61.5 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
