"""The framework itself: a history that is not what the servers counted, and figures that miss their bars."""

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.clients import GENERATE, SAMPLE
from tests.faults.history import History, since
from tests.faults.report import BarMissed, Report, Sheet
from tests.faults.scrape import Page
from tests.faults.server import Server

SERVER = Server("gateway", "127.0.0.1:1", "http://127.0.0.1:1/metrics", (), 1)


@pytest.fixture
def seen() -> History:
    history = History(SERVER)
    history.note(SAMPLE, "OK")
    history.note(SAMPLE, "INVALID_ARGUMENT")
    history.note_left(GENERATE, was_heard=True)
    history.note_left(GENERATE, was_heard=False)
    return history


RIGHT = {(SAMPLE, "OK"): 1, (SAMPLE, "INVALID_ARGUMENT"): 1}


def test_a_race_of_a_cancel_is_allowed_and_nothing_else(seen: History) -> None:
    for given_up in ({"CANCELLED": 1}, {"CANCELLED": 2}, {"OK": 1, "CANCELLED": 1}):
        counted = RIGHT | {(GENERATE, code): count for code, count in given_up.items()}
        assert seen.differences(Counter(counted)) == [], given_up
    samples = [(SAMPLE, "OK", 0), (SAMPLE, "OK", 2), (SAMPLE, "INTERNAL", 1)]
    given_up = [(GENERATE, "CANCELLED", 0), (GENERATE, "CANCELLED", 3), (GENERATE, "INTERNAL", 1)]
    for path, code, count in (*samples, *given_up):
        counted = RIGHT | {(GENERATE, "CANCELLED"): 1} | {(path, code): count}
        assert seen.differences(Counter(counted)), (path, code, count)


def test_what_succeeded_did_so_behind_the_door(seen: History) -> None:
    for right in ({(SAMPLE, "OK"): 1}, RIGHT | {(GENERATE, "OK"): 2}):
        assert seen.differences_behind(Counter(right)) == []
    for wrong in ({}, {(SAMPLE, "OK"): 2}, {(SAMPLE, "OK"): 1, (SAMPLE, "INTERNAL"): 1}):
        assert seen.differences_behind(Counter(wrong))


def test_a_page_tells_calls_and_what_is_held() -> None:
    page = Page(
        "# TYPE tandem_requests counter\n"
        'tandem_requests_total{paradigm="parallel",rpc="Sample",code="OK",transport="grpc"} 2.0\n'
        'tandem_requests_total{paradigm="parallel",rpc="Sample",code="OK",transport="http"} 1.0\n'
        'tandem_requests_total{paradigm="parallel",rpc="ListModels",code="OK",transport="grpc"} 1.0\n'
        "# TYPE tandem_kv_blocks_used gauge\n"
        'tandem_kv_blocks_used{model="a"} 3.0\n'
        'tandem_kv_blocks_used{model="b"} 0.0\n'
    )
    assert since(Counter({(SAMPLE, "OK"): 1}), page.calls()) == {(SAMPLE, "OK"): 2}
    assert page.held() == {"tandem_kv_blocks_used": 3.0}


def test_figures_are_held_against_their_bars() -> None:
    sheet = Sheet("what was done", holds_times=False)
    with pytest.raises(RuntimeError, match="must record"):
        sheet.check()
    sheet.expect_none("good", [], "calls")
    sheet.expect_in_time("late", 7, 1)
    sheet.expect_none("bad", 7, "calls", known="the door")
    assert sheet.check() == "the door"
    sheet.expect_none("worse", 7, "calls")
    with pytest.raises(BarMissed, match=r"^worse: 7 calls, bar: 0$"):
        sheet.check()


def test_times_are_held_in_full_runs_and_a_known_miss_must_go_once_it_passes() -> None:
    sheet = Sheet("what was done", holds_times=True)
    sheet.expect_in_time("late", 7, 1)
    sheet.expect_none("mended", 0, "calls", known="the door")
    sheet.expect_none("now and then", 0, "calls", known="the door", strict=False)
    with pytest.raises(
        BarMissed, match=r"^late: 7 s, bar: <= 1; mended: 0 calls, bar: 0: meets its bar; remove `known`$"
    ):
        sheet.check()


def test_the_page_has_a_table_for_each_test(tmp_path: Path) -> None:
    sheet, report = Sheet("a | b"), Report("quick")
    for row, count, known in (("good", 0, ""), ("bad | worse", 7, ""), ("known", 7, "the door")):
        sheet.expect_none(row, count, "calls", known=known)
    report.add(sheet, "test_y", has_passed=False, expected=None)
    report.add(Sheet("it broke"), "test_z", has_passed=False, expected=None)
    report.write(tmp_path / "faults.md")
    page = (tmp_path / "faults.md").read_text()
    assert "cores, effort quick: 1 passed, 2 failed, 1 known to fail.\n" in page
    lines = (
        "| good | 0 calls | 0 |",
        "| bad \\| worse | 7 calls **failed** | 0 |",
        "| known | 7 calls *known to fail* | 0 |",
    )
    assert "\na | b\n\n| row | figure | bar |\n|---|---|---|\n" + "\n".join(lines) in page
    assert "| test_z: ended early | 1 errors **failed** | none |" in page
    assert page.endswith("- known: the door\n")
