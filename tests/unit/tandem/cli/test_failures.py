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


def test_a_deadline_that_passed_says_what_to_do(capsys):
    with pytest.raises(typer.Exit), friendly_errors(Terminal()):
        raise DeadlineExceeded("DEADLINE_EXCEEDED", "Deadline Exceeded")
    assert "no reply in time (Deadline Exceeded): the server is busy" in capsys.readouterr().err


def test_an_address_without_a_port_is_named(capsys):
    with pytest.raises(typer.Exit), friendly_errors(Terminal(), "localhost"):
        raise NotReachable("UNAVAILABLE", "nothing answers at localhost")
    assert capsys.readouterr().err == "error: localhost has no port: an address is HOST:PORT\n"


def test_an_address_with_a_scheme_is_named(capsys):
    with pytest.raises(typer.Exit), friendly_errors(Terminal(), "http://localhost:50050"):
        raise NotReachable("UNAVAILABLE", "nothing answers at http://localhost:50050")
    expected = "error: http://localhost:50050 has a scheme: an address is HOST:PORT, without http://\n"
    assert capsys.readouterr().err == expected


def test_a_full_queue_is_named_without_a_preface(capsys):
    with pytest.raises(typer.Exit), friendly_errors(Terminal()):
        raise ResourceExhausted("RESOURCE_EXHAUSTED", "queue is full (limit 1); retry in 2 s", (), 2.0)
    assert capsys.readouterr().err == "error: queue is full (limit 1); retry in 2 s\n"


def test_a_call_that_the_server_does_not_offer_is_explained(capsys):
    with pytest.raises(typer.Exit), friendly_errors(Terminal(), "127.0.0.1:50052"):
        raise Unimplemented("UNIMPLEMENTED", "Method not found!")
    shown = capsys.readouterr().err
    assert shown.startswith("error: 127.0.0.1:50052 does not offer this call")
    assert "Method not found" not in shown


@pytest.mark.parametrize("error", [ValueError("shapes"), OSError(5, "I/O error"), BrokenPipeError()])
def test_a_fault_of_the_program_comes_out_as_it_is(error):
    with pytest.raises(type(error)) as raised, friendly_errors(Terminal()):
        raise error
    assert raised.value is error
