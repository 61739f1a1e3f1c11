"""What was to be expected is a line and an exit code; what was not keeps its traceback."""

import pytest
import typer

from tandem.cli.failures import FAILED, friendly_errors
from tandem.cli.terminal import Terminal
from tandem.client import DeadlineExceeded, NotReachable, ResourceExhausted, Unimplemented
from tandem.shared.errors import ExpectedError, Unavailable
from tandem.shared.models import ModelError

EXPECTED = [
    ExpectedError("rate: no"),
    ModelError("weights: no"),
    Unavailable("the server: no"),
    FileNotFoundError(2, "No such file", "results: no"),
]


@pytest.mark.parametrize("error", EXPECTED, ids=lambda error: type(error).__name__)
def test_an_expected_error_is_a_line(error, capsys):
    with pytest.raises(typer.Exit) as ended, friendly_errors(Terminal()):
        raise error
    assert ended.value.exit_code == FAILED
    shown = capsys.readouterr().err
    assert ": no" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("error", "address", "line"),
    [
        (
            DeadlineExceeded("DEADLINE_EXCEEDED", "Late"),
            "",
            "no reply in time (Late): the server is busy",
        ),
        (NotReachable("UNAVAILABLE", "?"), "localhost", "localhost has no port: an address is HOST:PORT\n"),
        (
            NotReachable("UNAVAILABLE", "?"),
            "http://a:1",
            "http://a:1 has a scheme: an address is HOST:PORT, without",
        ),
        (ResourceExhausted("RESOURCE_EXHAUSTED", "queue is full", (), 2.0), "", "queue is full\n"),
        (
            Unimplemented("UNIMPLEMENTED", "Method not found!"),
            "a:1",
            "a:1 does not offer this call: it is another",
        ),
    ],
)
def test_what_a_server_says_is_explained(error, address, line, capsys):
    with pytest.raises(typer.Exit), friendly_errors(Terminal(), address):
        raise error
    assert capsys.readouterr().err.startswith(f"error: {line}")


@pytest.mark.parametrize("error", [ValueError("shapes"), OSError(5, "I/O error"), BrokenPipeError()])
def test_a_fault_of_the_program_comes_out_as_it_is(error):
    with pytest.raises(type(error)) as raised, friendly_errors(Terminal()):
        raise error
    assert raised.value is error
