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
    assert list(spreads) == ["fixed p50", "fixed p99"]
    for found in spreads.values():
        assert set(found) == set(truth.COLUMNS)
        assert found[truth.KNOWN].value == 20.0
        for way in (DIRECT, NOW):
            seen = found[f"{way}, ms"].value
            assert seen >= 20.0
            assert found[truth.OFF[way]].value == pytest.approx(100 * (seen / 20.0 - 1))
    assert len(audited_runs.audits) == 2
