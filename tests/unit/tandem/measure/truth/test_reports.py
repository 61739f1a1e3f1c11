"""Figures as testers write them; the JSON is cut from files that they wrote."""

import json
from pathlib import Path
from typing import Any

import pytest

from tandem.measure.truth.reports import parse_reported, read_report
from tandem.shared.errors import ExpectedError

AIPERF = {
    "time_to_first_token": {"unit": "ms", "avg": 21.0, "p50": 20.5, "p99": 25.0},
    "request_latency": {"unit": "ms", "avg": 95.0, "p50": 96.0, "p99": 99.0},
}
GUIDELLM = {
    "benchmarks": [
        {
            "metrics": {
                name: {"successful": {"mean": mean, "max": 2 * mean, "percentiles": {"p50": mean, "p999": 9.0}}}
                for name, mean in {
                    "time_to_first_token_ms": 20.5,
                    "inter_token_latency_ms": 5.0,
                    "request_latency": 0.096,
                }.items()
            }
        }
    ]
}
VLLM = {"median_ttft_ms": 20.5, "p99_ttft_ms": 25.0, "median_itl_ms": 5.0}
TANDEM = {
    "kind": "load",
    "streams": [
        {
            "first_output": {
                "seconds": {"p50": 0.0205, "p99": None, "mean": 0.021, "p90": None, "p95": None, "max": 1}
            },
            "gap": None,
            "latency": {"seconds": dict.fromkeys(("p50", "p99", "mean", "p90", "p95", "max"), 0.096)},
        }
    ],
}


@pytest.mark.parametrize(
    ("report", "others"),
    [
        (AIPERF, {("ttft", "mean"): 0.021, ("latency", "p99"): 0.099}),
        (GUIDELLM, {("tpot", "max"): 0.01, ("latency", "p50"): 0.096}),
        (VLLM, {("ttft", "p99"): 0.025, ("gap", "p50"): 0.005}),
        (TANDEM, {("latency", "p99"): 0.096}),
    ],
)
def test_known_testers(tmp_path: Path, report: Any, others: dict[tuple[str, str], float]) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    found = read_report(file)
    assert {key: found[key] for key in others} == pytest.approx(others)
    assert found["ttft", "p50"] == pytest.approx(0.0205)
    assert ("ttft", "p999") not in found


@pytest.mark.parametrize("text", ["[]", "{}", '{"benchmarks": []}', '{"kind": "load", "streams": []}', "no JSON"])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(text)
    with pytest.raises(ExpectedError, match="no report of tandem bench, vllm bench serve, aiperf"):
        read_report(file)


def test_figures_on_a_command_line() -> None:
    found = parse_reported(["ttft_p50=20.5ms", "gap_mean=900us", "latency_p99=1.5"])
    assert found == pytest.approx({("ttft", "p50"): 0.0205, ("gap", "mean"): 0.0009, ("latency", "p99"): 1.5})


@pytest.mark.parametrize("text", ["ttft=1", "ttft_p51=1", "speed_p50=1", "ttft_p50=", "ttft_p50=1h", "ttft_p50=-1s"])
def test_others_are_named(text: str) -> None:
    with pytest.raises(ExpectedError, match="is not accepted: FIGURE_QUANTILE=VALUE of ttft, gap, tpot, latency"):
        parse_reported([text])
