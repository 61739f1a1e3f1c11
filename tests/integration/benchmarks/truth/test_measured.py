"""The truth check from beginning to end, with few requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness.servers import DIRECT, NOW
from benchmarks.truth import __main__ as truth
from benchmarks.truth.laws import LAWS


def test_both_ways_see_the_whole_delay(ready_backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much more they see depends on the machine; the audit of each run says whether it was quiet enough."""
    assert ready_backend.exists()
    monkeypatch.setattr(truth, "NUM_REQUESTS", 200)
    monkeypatch.setattr(truth, "TABLE_SIZE", 100)
    laws = [LAWS["fixed"]]
    spreads, audited_runs = truth.measured(laws, rounds=1)
    known = truth.known(laws)
    assert spreads.keys() == known.keys()
    for name, ways in spreads.items():
        assert ways.keys() == {DIRECT, NOW}
        assert all(value.value >= known[name] for value in ways.values())
    assert len(audited_runs.audits) == 2
    assert "known" in truth.table_of(spreads, known).heads
