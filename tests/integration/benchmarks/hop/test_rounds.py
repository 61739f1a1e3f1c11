"""A whole round through a real gateway and before the matched pair: every bar gets its figures."""

from __future__ import annotations

from benchmarks.harness.figures import DIRECT, NOW, Figures
from benchmarks.harness.results import are_met
from benchmarks.hop.__main__ import BARS, measure, measure_workers


def test_a_round_has_all_figures_and_counts_every_request() -> None:
    figures = Figures(most_attempts=1)
    measure(1, 0.1, figures)
    assert figures.failures == []
    spreads = figures.spreads()
    assert [bar.what for bar in BARS if bar.judge(spreads)["is_met"] is None] == []
    assert [bar.judge(spreads)["is_met"] for bar in BARS if "miscounted" in bar.figures[0]] == [True]
    assert spreads["limit_dropped"][NOW].value == 0
    assert spreads["unary_32_connections_cpu_ms"][NOW].value > 0
    assert DIRECT in spreads["one_unary_p50_ms"]
    figures.failures.append("cost, round 2: why")
    assert not are_met(figures.document("hop", 1, bars=BARS))


def test_workers_are_measured_beside_each_other() -> None:
    figures = Figures(most_attempts=1)
    measure_workers(1, 0.1, figures)
    assert figures.failures == []
    found = figures.spreads()
    assert set(found["full_per_second"]) == set(found["full_cores"]) == {"1 worker", "2 workers"}
    assert all(value.value > 0 for figure in found.values() for value in figure.values())
