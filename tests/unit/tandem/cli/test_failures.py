"""What was to be expected is a line and an exit code; what was not keeps its traceback."""

import pytest
import typer

from tandem.cli.failures import FAILED, friendly_errors
from tandem.cli.terminal import Terminal
from tandem.shared.errors import ExpectedError, Unavailable
from tandem.shared.models import ModelError

MISSING = "gguf is missing: in a checkout of Tandem, run `make setup` or `pip install '.[servers]'`"
EXPECTED = [
    (ExpectedError("rate: no"), "rate: no"),
    (ModelError("weights: no"), "weights: no"),
    (Unavailable("the server: no"), "the server: no"),
    (FileNotFoundError(2, "No such file", "results: no"), "results: no"),
    (ModuleNotFoundError("No module named 'gguf'", name="gguf"), MISSING),
]


FAULTS = [ValueError("shapes"), OSError(5, "I/O error"), BrokenPipeError(), ModuleNotFoundError(name="tandem.nowhere")]


@pytest.mark.parametrize(("error", "told"), EXPECTED)
def test_an_expected_error_is_a_line(error, told, capsys):
    with pytest.raises(typer.Exit) as ended, friendly_errors(Terminal()):
        raise error
    assert ended.value.exit_code == FAILED
    shown = capsys.readouterr().err
    assert told in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("error", FAULTS)
def test_a_fault_of_the_program_comes_out_as_it_is(error):
    with pytest.raises(type(error)) as raised, friendly_errors(Terminal()):
        raise error
    assert raised.value is error
