"""A run as llm-d's Benchmark Report: by its own package, where that is installed, and by the figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tandem.measure.report.llmd import llmd_report
from tandem.measure.results.load import Document
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario
from tandem.measure.truth.server import TruthServer
from tandem.measure.workload_text import parse_workload
from tandem.shared.errors import ExpectedError
from tests.integration.single_runs import run_once

CLOSED, OPEN = ClosedLoop(concurrency=2), OpenLoop(rate_per_second=100)


async def document_of(server: TruthServer, workloads: tuple[str, ...], load: ClosedLoop | OpenLoop) -> Document:
    parsed = tuple(map(parse_workload, workloads))
    scenario = Scenario(workloads=parsed, load=load, num_requests=20, warm_up_seconds=0.0)
    return (await run_once(server.address, scenario)).document


@pytest.mark.parametrize(
    ("workload", "load", "length"),
    [
        ("text,tokens=5", CLOSED, {"distribution": "fixed", "value": 5}),
        ("text,tokens=uniform:2:6", OPEN, {"distribution": "uniform", "value": 4, "min": 2, "max": 6}),
        ("text,unary,tokens=geometric:4", OPEN, {"distribution": "other", "value": 4}),
        ("text,turns=2,tokens=choice:2:4", OPEN, {"distribution": "other", "value": 3}),
        ("images", CLOSED, None),
    ],
)
async def test_its_own_package_validates_it(
    known_times: Callable[..., TruthServer], workload: str, load: ClosedLoop | OpenLoop, length: dict[str, Any] | None
) -> None:
    document = await document_of(known_times(first="0.02", gap="0.005"), (workload,), load)
    found = llmd_report(document).model_dump()
    (stream,) = document.streams
    standardized = found["scenario"]["load"]["standardized"]
    assert standardized.get("output_seq_len") == length
    assert (standardized.get("concurrency"), standardized.get("rate_qps")) == (
        (2, None) if load is CLOSED else (None, 100)
    )
    aggregate = found["results"]["request_performance"]["aggregate"]
    assert aggregate["requests"]["total"] == stream.outcomes.ok == 20 * max(1, document.scenario.turns)
    assert aggregate["latency"]["request_latency"]["p50"] == stream.latency.seconds.p50
    if "unary" not in workload and workload != "images":
        assert aggregate["latency"]["time_to_first_token"]["p50"] == pytest.approx(0.02, rel=0.5)
        assert aggregate["latency"]["time_per_output_token"]["p50"] == pytest.approx(0.005, rel=0.5)
    judge = pytest.importorskip("llmd_benchmark_report")
    assert judge.load_benchmark_report(found).version == "0.2.1"


async def test_a_report_is_of_one_workload(known_times: Callable[..., TruthServer]) -> None:
    document = await document_of(known_times(first="0", gap="0"), ("text", "images"), CLOSED)
    with pytest.raises(ExpectedError, match="of one workload"):
        llmd_report(document)
