"""Sentences about a run of the load generator."""

from types import SimpleNamespace
from typing import Any

import pytest

from tandem.measure.report.load import backlog_text, control_text
from tandem.measure.results.load import Backlog, Control
from tandem.measure.results.value import Value


def document(*, ok: int, grows: bool = False, is_partial: bool = False, cancelled: int = 0) -> Any:
    slope = Value(value=0.1, low=0.05 if grows else -0.2, high=0.3, method="t", count=10)
    outcomes = SimpleNamespace(planned=1000, ok=ok, cancelled=cancelled)
    return SimpleNamespace(
        backlog=Backlog(slope_per_second=slope, grows=grows, mean=1.0),
        streams=[SimpleNamespace(outcomes=outcomes)],
        is_partial=is_partial,
    )


@pytest.mark.parametrize(("ok", "cancelled"), [(1000, 0), (995, 0), (900, 100)])
def test_a_server_that_answers_all_and_has_no_growing_backlog_keeps_up(ok: int, cancelled: int) -> None:
    assert backlog_text(document(ok=ok, cancelled=cancelled)).startswith("the server keeps up: ")


def test_a_server_that_refuses_or_has_died_is_not_said_to_keep_up() -> None:
    unknown = "whether the server keeps up cannot be told, as "
    assert backlog_text(document(ok=100)) == f"{unknown}90.0% of the requests did not end well"
    assert backlog_text(document(ok=1000, is_partial=True)) == f"{unknown}the run was broken off"


def test_a_backlog_that_grows_grows_whatever_failed() -> None:
    assert backlog_text(document(ok=100, grows=True)).startswith("the server DOES NOT KEEP UP: ")


def test_a_control_without_anything_to_compare_says_nothing() -> None:
    control = Control(num_pairs=5, slice_seconds=1.0, slice_requests=None, differences=())
    assert control_text(SimpleNamespace(control=control)) == ""  # type: ignore[arg-type]
    assert control_text(SimpleNamespace(control=None)) == ""  # type: ignore[arg-type]
