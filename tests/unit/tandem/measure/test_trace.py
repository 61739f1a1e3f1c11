"""Traces of requests, read and refused."""

from pathlib import Path

import pytest

from tandem.measure.trace import TraceRow, read_trace
from tandem.shared.errors import ExpectedError

LINES = """\
{"timestamp": 3000, "input_length": 600, "output_length": 5, "hash_ids": [0, 1], "type": "text"}
{"timestamp": 1000, "input_length": 10, "output_length": 4, "hash_ids": [0]}
"""


def test_requests_come_in_order_from_the_first_on_as_fast_as_asked(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(LINES)
    found = read_trace(file, speed=4.0)
    assert [(row.timestamp, row.input_length) for row in found] == [(0.0, 10), (500.0, 600)]
    assert [row.prompt() for row in found] == [((0, 10),), ((0, 512), (1, 88))]


def test_tokens_that_no_number_stands_for_are_its_own() -> None:
    first, second = (TraceRow(timestamp=at, input_length=700, output_length=1, hash_ids=(3,)) for at in (0, 1))
    assert first.prompt()[0] == second.prompt()[0] == (3, 512)
    assert first.prompt()[1][1] == 188
    assert first.prompt()[1][0] != second.prompt()[1][0]


@pytest.mark.parametrize("line", ["", "no JSON", "[]", '{"timestamp": -1, "input_length": 1, "output_length": 1}'])
def test_a_line_that_is_no_request_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(f"{LINES}{line}\n")
    with pytest.raises(ExpectedError, match=r"trace.jsonl:3: no request of a trace: "):
        read_trace(file)
