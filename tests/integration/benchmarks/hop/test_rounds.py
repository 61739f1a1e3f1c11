"""Whole rounds through a real gateway, before the backend without a model: every bar gets its figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.harness.bars import Results, bar_cells
from benchmarks.harness.figures import Figures
from benchmarks.harness.messages import plan
from benchmarks.harness.servers import DIRECT, NOW, ROOT, Hop, earlier_tree, gateway, model_less
from benchmarks.harness.surroundings import surroundings
from benchmarks.hop import clock, costs
from benchmarks.hop.bars import BARS
from benchmarks.hop.durations import Durations
from benchmarks.hop.page import page

SHORT = Durations(
    one_client=0.2,
    many_clients=0.2,
    fast_streams=0.2,
    paced=0.2,
    lone=0.3,
    many_callers=0.3,
    open_loop=0.4,
    limit=1.0,
)


@pytest.fixture
def behind(ready_backend: Path) -> Iterator[list[Hop]]:
    """The backend itself, and a gateway in front of it."""
    with model_less(ready_backend, plan(10, 1000.0)) as port, gateway(NOW, ROOT, port, ar=port) as hop:
        yield [Hop(DIRECT, port), hop]


@pytest.fixture
def delayed(ready_backend: Path) -> Iterator[int]:
    """The backend that the floor is measured against."""
    with model_less(ready_backend, plan(1, 1000.0, [clock.FLOOR_DELAY_SECONDS])) as port:
        yield port


def test_every_bar_is_measured_and_no_request_is_miscounted(load_client: Path, behind: list[Hop], delayed: int) -> None:
    figures = Figures()
    costs.measure_round(load_client, behind, SHORT, figures)
    costs.measure_limit(load_client, behind[1], SHORT, figures)
    clock.measure_floor(load_client, delayed, SHORT, figures)
    clock.measure_round(load_client, behind[1:], SHORT, figures, seed=0)
    spreads = figures.spreads()
    assert [bar.what for bar in BARS if bar.is_met(spreads, NOW) is None] == []
    miscounted = next(bar for bar in BARS if "miscounted" in bar.figures[0])
    assert miscounted.is_met(spreads, NOW), bar_cells(miscounted, spreads, NOW)
    assert spreads["limit_dropped"][NOW].value == 0
    assert spreads["ratio.lone.floor_ms"][NOW].value > 0
    assert (
        spreads["unary_32_connections_cpu_ms"][NOW].value > spreads["unary_32_connections_python_cpu_ms"][NOW].value > 0
    )
    assert DIRECT in spreads["one_unary_p50_ms"]
    results = Results("hop", surroundings(), BARS, 1, spreads, ["cost, round 2: why"], 1.0)
    assert all(bar.what in page(results) for bar in BARS)
    assert "broken off: cost, round 2: why" in page(results)
    assert "not measured |" not in page(results)


def test_a_commit_that_is_not_there_is_left_out() -> None:
    with earlier_tree("0" * 40) as tree:
        assert tree is None
