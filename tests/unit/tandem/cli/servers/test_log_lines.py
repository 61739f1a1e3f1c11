"""Log lines for people."""

import json

import pytest

from tandem.cli.servers.log_lines import message, readable, share

LINE = json.dumps({"time": "2026-01-02T03:04:05.678Z", "level": "INFO", "logger": "x", "message": "loading a: 40 %"})


def test_a_json_line_is_made_readable() -> None:
    assert readable(LINE) == "03:04:05 INFO    loading a: 40 %"
    assert message(LINE) == "loading a: 40 %"


def test_an_exception_shows_its_last_line() -> None:
    line = json.dumps({"message": "failed", "level": "ERROR", "exception": "Traceback\n  File x\nValueError: bad"})
    assert readable(line).endswith("failed: ValueError: bad")


@pytest.mark.parametrize("line", ["plain text", "[1, 2]", "{}", '"text"', ""])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert readable(line) == message(line) == line


@pytest.mark.parametrize(("text", "expected"), [("loading a: 40 %", 0.4), ("at 100%", 1.0), ("loading a", None)])
def test_shares(text: str, expected: float | None) -> None:
    assert share(text) == expected
