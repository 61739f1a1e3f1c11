"""What reaches a terminal."""

import io

import pytest
from rich.console import Console

from tandem.cli.terminal import Terminal


def test_errors_and_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.fail("[bold] is not markup here, nor is root:x:0 an emoji " + "x" * 200)
    terminal.note("note")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: [bold] is not markup here, nor is root:x:0 an emoji " + "x" * 200 + "\nnote\n"


def test_sentences_are_wrapped_between_words_on_a_terminal_only() -> None:
    words = ["generating"] * 9
    for width, is_terminal in ((35, True), (35, False)):
        shown = io.StringIO()
        terminal = Terminal()
        terminal.out = terminal.err = Console(file=shown, force_terminal=is_terminal, color_system=None, width=width)
        for print_it in (terminal.say, terminal.note, terminal.fail):
            print_it(" ".join(words))
        lines = shown.getvalue().splitlines()
        assert len(lines) == (3 * 3 + 1 if is_terminal else 3)  # "error:" takes the place of a word
        assert set(" ".join(lines).split()) == {"error:", "generating"}
