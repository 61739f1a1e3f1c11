"""What load testers report: figures on a command line, and those in the files of testers that are known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tandem.measure.truth.findings import Reported
from tandem.shared.errors import ExpectedError

FIGURES, QUANTILES = ("ttft", "gap", "tpot", "latency"), ("mean", "p50", "p90", "p95", "p99", "max")
TESTERS = "tandem bench, vllm bench serve, aiperf, genai-perf and guidellm"
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0}
_AIPERF = {"time_to_first_token": "ttft", "inter_token_latency": "tpot", "request_latency": "latency"}
_VLLM = {"ttft": "ttft", "itl": "gap", "tpot": "tpot", "e2el": "latency"}
_GUIDELLM = {
    "time_to_first_token_ms": ("ttft", 1e-3),
    "inter_token_latency_ms": ("tpot", 1e-3),
    "request_latency": ("latency", 1.0),
}
_TANDEM = {"first_output": "ttft", "gap": "gap", "latency": "latency"}


def parse_reported(texts: Iterable[str]) -> Reported:
    """Return FIGURE_QUANTILE=VALUE, such as ttft_p50=20.3ms; without a unit it is seconds. Raises ExpectedError."""
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        figure, _, quantile = name.partition("_")
        digits = value.rstrip("msu")
        try:
            seconds = float(digits) * _UNITS[value[len(digits) :]]
        except (ValueError, KeyError):
            seconds = -1.0
        if figure not in FIGURES or quantile not in QUANTILES or seconds < 0.0:
            accepted = f"FIGURE_QUANTILE=VALUE of {', '.join(FIGURES)}; {', '.join(QUANTILES)}; in s, ms or us"
            raise ExpectedError(f"{text!r} is not accepted: {accepted}")
        found[figure, quantile] = seconds
    return found


def read_report(path: Path) -> Reported:
    """Return the figures in a JSON file. Raises OSError, and ExpectedError if it is of no tester that is known."""
    try:
        found = dict(_figures(json.loads(path.read_text(encoding="utf-8"))))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ExpectedError(f"{path}: no report of {TESTERS}: {error!r}") from None
    if not found:
        raise ExpectedError(f"{path}: no report of {TESTERS}")
    return {key: seconds for key, seconds in found.items() if seconds is not None}


def _figures(report: Any) -> Iterator[tuple[tuple[str, str], float | None]]:
    if report.get("kind") == "load":
        (stream,) = report["streams"]
        for name, figure in _TANDEM.items():
            for quantile in QUANTILES if stream[name] else ():
                yield (figure, quantile), stream[name]["seconds"][quantile]
    elif "benchmarks" in report:  # guidellm
        for name, (figure, scale) in _GUIDELLM.items():
            values = report["benchmarks"][0]["metrics"][name]["successful"]
            for quantile, value in {"mean": values["mean"], "max": values["max"], **values["percentiles"]}.items():
                if quantile in QUANTILES:
                    yield (figure, quantile), value * scale
    elif "median_ttft_ms" in report:  # vllm bench serve
        for name, figure in _VLLM.items():
            for quantile, prefix in {"mean": "mean", "p50": "median", "p90": "p90", "p99": "p99"}.items():
                if (value := report.get(f"{prefix}_{name}_ms")) is not None:
                    yield (figure, quantile), value * 1e-3
    else:  # aiperf, genai-perf
        for name, figure in _AIPERF.items():
            values = report.get(name) or {}
            for quantile, theirs in {name: {"mean": "avg"}.get(name, name) for name in QUANTILES}.items():
                if (value := values.get(theirs)) is not None:
                    yield (figure, quantile), value * _UNITS[values["unit"]]
