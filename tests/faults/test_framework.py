"""The framework itself: a history that is not what the servers counted, and figures that miss their bars."""

import contextlib
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.clients import GENERATE, SAMPLE
from tests.faults.history import History, since
from tests.faults.report import EXPECTED_FAILURE, FAILED, PASSED, BarMissed, Report, Sheet
from tests.faults.scrape import Page
from tests.faults.server import Server
from tests.faults.table import table

SERVER = Server("gateway", "127.0.0.1:1", "http://127.0.0.1:1/metrics", (), 1)


@pytest.fixture
def seen() -> History:
    history = History(SERVER)
    history.note(SAMPLE, "OK")
    history.note(SAMPLE, "INVALID_ARGUMENT")
    history.note_left(GENERATE, was_heard=True)
    history.note_left(GENERATE, was_heard=False)
    return history


@pytest.mark.parametrize("generated", [{"CANCELLED": 1}, {"CANCELLED": 2}, {"OK": 1, "CANCELLED": 1}])
def test_a_race_of_a_cancel_is_allowed(seen: History, generated: dict[str, int]) -> None:
    counted = {(SAMPLE, "OK"): 1, (SAMPLE, "INVALID_ARGUMENT"): 1}
    counted |= {(GENERATE, code): count for code, count in generated.items()}
    assert seen.differences(Counter(counted)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {(SAMPLE, "OK"): 0},
        {(SAMPLE, "OK"): 2},
        {(SAMPLE, "INTERNAL"): 1},
        {(GENERATE, "CANCELLED"): 0},
        {(GENERATE, "CANCELLED"): 3},
        {(GENERATE, "INTERNAL"): 1},
    ],
)
def test_anything_else_differs(seen: History, wrong: dict[tuple[str, str], int]) -> None:
    right = {(SAMPLE, "OK"): 1, (SAMPLE, "INVALID_ARGUMENT"): 1, (GENERATE, "CANCELLED"): 1}
    assert seen.differences(Counter(right)) == []
    assert seen.differences(Counter(right | wrong))


def test_what_succeeded_did_so_behind_the_door(seen: History) -> None:
    for right in ({(SAMPLE, "OK"): 1}, {(SAMPLE, "OK"): 1, (SAMPLE, "INVALID_ARGUMENT"): 1, (GENERATE, "OK"): 2}):
        assert seen.differences_behind(Counter(right)) == []
    for wrong in ({}, {(SAMPLE, "OK"): 2}, {(SAMPLE, "OK"): 1, (SAMPLE, "INTERNAL"): 1}):
        assert seen.differences_behind(Counter(wrong))


def test_the_gateway_s_own_listing_is_left_out() -> None:
    listing = f"{SAMPLE.rpartition('/')[0]}/ListModels"
    before, now = Counter({(SAMPLE, "OK"): 2}), Counter({(SAMPLE, "OK"): 5, (listing, "OK"): 3})
    assert since(before, now) == {(SAMPLE, "OK"): 3}


def test_a_page_tells_calls_and_what_is_held() -> None:
    page = Page(
        "# TYPE tandem_requests counter\n"
        'tandem_requests_total{paradigm="parallel",rpc="Sample",code="OK",transport="grpc"} 2.0\n'
        'tandem_requests_total{paradigm="parallel",rpc="Sample",code="OK",transport="http"} 1.0\n'
        "# TYPE tandem_kv_blocks_used gauge\n"
        'tandem_kv_blocks_used{model="a"} 3.0\n'
        'tandem_kv_blocks_used{model="b"} 0.0\n'
    )
    assert page.calls() == {(SAMPLE, "OK"): 3}
    assert page.held() == {"tandem_kv_blocks_used": 3.0}


def figure(sheet: Sheet, row: str, passed: bool, known: str = "") -> None:
    sheet.record(row=row, figure=7, unit="calls", bar="0", passed=passed, known=known)


def test_a_missed_bar_fails() -> None:
    sheet = Sheet("what was done")
    figure(sheet, "good", passed=True)
    assert sheet.check() == ""
    figure(sheet, "bad", passed=False)
    with pytest.raises(BarMissed, match="bad: 7 calls, bar: 0"):
        sheet.check()


def test_what_comes_too_late_fails_where_times_are_held_alone() -> None:
    for holds_times in (False, True):
        sheet = Sheet("what was done", holds_times)
        sheet.record(row="late", figure=7, unit="s", bar="<= 1", passed=True, in_time=False)
        with pytest.raises(BarMissed, match="late: 7 s") if holds_times else contextlib.nullcontext():
            sheet.check()


def test_a_known_miss_is_told_and_must_go_once_it_passes() -> None:
    sheet = Sheet("what was done")
    figure(sheet, "bad", passed=False, known="the door")
    assert sheet.check() == "the door"
    figure(sheet, "mended", passed=True, known="the door")
    with pytest.raises(BarMissed, match="meets its bar; remove"):
        sheet.check()


def test_nothing_recorded_fails() -> None:
    with pytest.raises(RuntimeError, match="must record"):
        Sheet("what was done").check()


def test_the_document_and_its_table(tmp_path: Path) -> None:
    sheet, report = Sheet("a | b"), Report("quick")
    figure(sheet, "good", passed=True)
    figure(sheet, "bad", passed=False)
    figure(sheet, "known", passed=False, known="the door")
    report.add(sheet, "test_x.py::test_y", 1.26, has_passed=False, expected=None)
    report.add(Sheet("it broke"), "test_x.py::test_z", 2.0, has_passed=False, expected=None)
    report.write(tmp_path / "out" / "faults.json")
    document = json.loads((tmp_path / "out" / "faults.json").read_text())
    rows = {row["row"]: (row["outcome"], row["reason"], row["seconds"]) for row in document["rows"]}
    assert rows == {
        "good": (PASSED, "", 1.3),
        "bad": (FAILED, "", 1.3),
        "known": (EXPECTED_FAILURE, "the door", 1.3),
        "test_z: ended early": (FAILED, "", 2.0),
    }
    page = table(document)
    assert "1 passed, 2 failed, 1 known to fail" in page
    assert "| bad | a \\| b | 7 calls | 0 | **failed** | 1 |" in page
    assert page.endswith("- known: the door\n")
