import json

import pytest

from benchmarks.harness.printing import dumped
from benchmarks.harness.surroundings import surroundings
from benchmarks.side_by_side.results import EngineRecord, Results, best_peer, ratio
from benchmarks.side_by_side.tables import page
from benchmarks.side_by_side.workloads import WORKLOADS
from tandem.measure.results.value import Value

WORKLOADS = {workload.name: workload for workload in WORKLOADS}
FAST, SHORT = WORKLOADS["decode_1"], WORKLOADS["shared_prefix"]
ABOUT = {
    "model": "a-model",
    "weights_sha256": "a" * 64,
    "text": {"package": "a-book", "sha256": "b" * 64},
    "surroundings": surroundings(),
}


def record(name: str, is_ours: bool = False, **values: list[float]) -> EngineRecord:
    """Return an engine whose judged figure of each workload is known, round by round; None where it did not take
    part.
    """
    engine = EngineRecord(name, is_ours, {name: "1.0"})
    for workload, rounds in values.items():
        for number, value in enumerate(rounds):
            if value is not None:
                figures = {WORKLOADS[workload].figure: value, "first_token_seconds_p50": 0.1, "gap_seconds_p50": 0.01}
                engine.add(workload, number, figures)
    return engine


def test_a_ratio_is_taken_round_by_round():
    ours, peer = record("ours", decode_1=[100.0, 50.0, 300.0]), record("peer", decode_1=[50.0, 50.0, 100.0])
    assert ratio(ours, peer, FAST) == Value(value=2.0, low=1.0, high=3.0, method="range", count=3)


def test_less_is_more_where_seconds_are_judged():
    assert ratio(record("ours", shared_prefix=[1.0]), record("peer", shared_prefix=[2.0]), SHORT).value == 2.0


def test_rounds_that_one_of_both_missed_do_not_count():
    ours, peer = record("ours", decode_1=[None, 100.0]), record("peer", decode_1=[10.0, 50.0])
    assert ratio(ours, peer, FAST) == Value(value=2.0, low=2.0, high=2.0, method="range", count=1)
    assert ratio(ours, record("peer", decode_1=[10.0]), FAST) is None


@pytest.mark.parametrize(("workload", "expected"), [(FAST, "quick"), (SHORT, "slow")])
def test_the_best_peer_has_the_best_median(workload, expected):
    quick = record("quick", decode_1=[1.0, 90.0, 91.0], shared_prefix=[3.0])
    slow = record("slow", decode_1=[99.0, 50.0, 51.0], shared_prefix=[2.0])
    absent = record("absent", prefill=[1.0])
    best = best_peer([quick, slow, absent], workload)
    assert best is not None
    assert best.name == expected
    assert best_peer([absent], workload) is None


def results() -> Results:
    ours = record("Ours auto", is_ours=True, decode_1=[120.0, 130.0, 125.0], shared_prefix=[0.5, 0.75, 1.0])
    peer = record("Peer int8", decode_1=[60.0, 65.0, 62.5])
    ours.agreement, ours.peak_mebibytes = 0.9844, 800.0
    return Results(ABOUT, (FAST, SHORT), [peer, ours], {"Other": "cmake is not installed"}, 3)


def test_the_document_holds_spreads_rounds_and_ratios():
    document = json.loads(dumped(results().document()))
    assert document["engines"]["Ours auto"]["workloads"]["decode_1"]["tokens_per_second"] == {
        "value": 125.0,
        "low": 120.0,
        "high": 130.0,
        "method": "range",
        "count": 3,
    }
    assert document["engines"]["Ours auto"]["each_round"]["decode_1"]["2"]["tokens_per_second"] == 125.0
    assert document["engines"]["Ours auto"]["peak_memory_mib"] == 800
    assert document["ratios"]["Ours auto"]["decode_1"]["best_peer"] == "Peer int8"
    assert document["ratios"]["Ours auto"]["decode_1"]["to_best"]["value"] == 2.0
    assert "shared_prefix" not in document["ratios"]["Ours auto"]
    assert document["left_out"] == {"Other": "cmake is not installed"}


def test_the_page_shows_spreads_ratios_and_who_is_missing():
    lines = page(results()).splitlines()
    assert "| Ours auto | 125 (120-130) | 0.750 (0.500-1.000) |" in lines
    assert "| Peer int8 | 62 (60-65) | - |" in lines
    assert f"| {FAST.title} | Peer int8 | 2.00 (2.00-2.00) |" in lines
    assert f"| {SHORT.title} | - | - |" in lines
    assert "- Other: cmake is not installed" in lines
    assert any(
        line.startswith("| Ours auto | 100.0 (100.0-100.0) | 10.0 (10.0-10.0) |") and "98.4%" in line for line in lines
    )


def test_every_row_of_a_table_has_as_many_cells_as_its_header():
    tables, width = 0, 0
    for line in page(results()).splitlines():
        cells = line.count("|")
        if not cells:
            width = 0
        elif not width:
            tables, width = tables + 1, cells
        assert cells == width
    assert tables == 3
