"""A document survives its file, and refuses what is none."""

import contextlib
import json
import resource
from datetime import UTC, datetime

import pytest

from tandem.measure.generator.driver import Share
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import RunResult, run_result
from tandem.measure.results.files import check_writable, write_document, write_requests
from tandem.measure.results.record import Outcome
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.scenarios import IMAGES, open_scenario


def made(rows=(), reason="", scenario=None) -> RunResult:
    plan = Plan(address="127.0.0.1:1", scenario=scenario or open_scenario(), models=())
    rows = rows or [row(0, 1.0, 0.1)]
    share = Share(record(rows), reason, 3.0 if reason else None)
    return run_result(plan, [share], datetime(2026, 11, 25, tzinfo=UTC))


@contextlib.contextmanager
def full_disk():
    """No file of this process may grow beyond a few bytes: nor may the one that pytest writes to, so not for long."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_old_document_stays_if_the_disk_is_full(tmp_path):
    path, document = tmp_path / "run.json", made().document
    path.write_text("old")
    with pytest.raises(OSError, match="File too large"), full_disk():
        write_document(path, document)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]


def test_a_file_that_cannot_be_made_is_found_before_the_run(tmp_path):
    check_writable(tmp_path / "new" / "run.json")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        check_writable(tmp_path / "file" / "run.json")


def test_a_line_for_each_request_that_was_sent(tmp_path):
    found = made([row(1, -0.5, 0.1), row(2, 1.0, 0.2), row(3, 2.0, 0.3, Outcome.DEADLINE)])
    write_requests(tmp_path / "requests.jsonl", open_scenario(), found.record)

    lines = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert [(line["number"], line["warm_up"], line["outcome"], line["code"]) for line in lines] == [
        (1, True, "ok", "OK"),
        (2, False, "ok", "OK"),
        (3, False, "deadline", "DEADLINE_EXCEEDED"),
    ]
    assert lines[1]["ended_seconds"] == 1.2
    assert lines[1]["queue_seconds"] is None
    assert lines[1]["stream"] == IMAGES.name


def test_a_status_that_no_load_explains_is_a_problem():
    overloaded = row(0, 1.0, 0.1, Outcome.ERROR, code=8)  # RESOURCE_EXHAUSTED
    assert made([overloaded, row(1, 1.0, 0.1, Outcome.DEADLINE), row(2, 1.0, 0.1)]).document.problems == ()
    (problem,) = made([row(0, 1.0, 0.1, Outcome.ERROR), row(1, 1.0, 0.1)]).document.problems
    assert "1 request ended in UNAVAILABLE" in problem


def test_a_run_that_measured_nothing_is_no_success():
    (problem,) = made([row(0, 1.0, 0.1, Outcome.DEADLINE)]).document.problems
    assert "none of 1 request ended well" in problem
    (problem,) = made([row(0, -1.0, 0.1)]).document.problems
    assert "no request was due after the warm-up" in problem


def test_no_record_at_all_is_an_error():
    plan = Plan(address="127.0.0.1:1", scenario=open_scenario(), models=())
    with pytest.raises(ChildProcessError, match="it died"):
        run_result(plan, [Share(None, "it died", 0.0)], datetime.now(UTC))
