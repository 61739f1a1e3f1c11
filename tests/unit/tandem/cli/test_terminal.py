"""What reaches a terminal."""

import pytest

from tandem.cli.terminal import Terminal


def test_a_pipe_gets_the_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().write("a\x1b[31m")
    assert capsys.readouterr().out == "a\x1b[31m"


def test_errors_and_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.fail("[bold] is not markup here, nor is root:x:0 an emoji " + "x" * 200)
    terminal.note("note")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: [bold] is not markup here, nor is root:x:0 an emoji " + "x" * 200 + "\nnote\n"
