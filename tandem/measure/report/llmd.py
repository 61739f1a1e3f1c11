"""A run as llm-d's Benchmark Report 0.2.1: the format that several load testers' results can be had in.

https://pypi.org/project/llmd-benchmark-report has the schema, and validates.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from pydantic import RootModel

from tandem.measure.lengths import Lengths
from tandem.measure.results.load import Document, StreamResult
from tandem.measure.results.value import Summary
from tandem.measure.scenario import OpenLoop, Workload
from tandem.shared.errors import ExpectedError

_VERSION = "0.2.1"
_NAMES = {"mean": "mean", "std": "stddev", "p999": "p99p9"} | {n: n for n in ("min", "p50", "p90", "p95", "p99", "max")}


def llmd_report(document: Document) -> RootModel[dict[str, Any]]:
    """Return the report of a run with one workload. Raises ExpectedError for one with several."""
    if len(document.streams) != 1:
        raise ExpectedError("format llm-d: a report is of one workload")
    (stream,), (workload,), scenario = document.streams, document.scenario.workloads, document.scenario
    load = scenario.load
    config = scenario.model_dump(mode="json")
    digest = hashlib.sha256(scenario.model_dump_json().encode()).hexdigest()[:16]
    amount = {"rate_qps": load.rate_per_second} if isinstance(load, OpenLoop) else {"concurrency": load.concurrency}
    standardized = {
        "tool": "tandem bench",
        "tool_version": document.tool_version,
        "parallelism": scenario.num_processes,
        "source": "random",
        "input_seq_len": _sequence(workload.prompt_tokens) if workload.kind == "text" else _fixed(0),
        "output_seq_len": _sequence(workload.output_tokens) if workload.kind == "text" else None,
        "multi_turn": {"max_turns": _fixed(workload.turns)} if workload.turns > 1 else None,
        **amount,
    }
    server = {"kind": "generic", "tool": stream.api, "tool_version": "unknown", "model": stream.model}
    component = {
        "metadata": {"label": document.address, "cfg_id": digest},
        "standardized": server | {"models": [model.model_dump(mode="json") for model in document.models]},
        "native": {},
    }
    found = {
        "version": _VERSION,
        "run": {
            "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{document.started_at.isoformat()} {document.command}")),
            "time": {"start": document.started_at.isoformat(), "duration": f"PT{document.window.seconds:.3f}S"},
            "description": "; ".join(document.problems) or None,
            "keywords": ["valid" if document.is_sound else "invalid", *document.audits.invalid],
        },
        "scenario": {
            "stack": [component],
            "load": {
                "metadata": {"cfg_id": digest, "description": stream.name},
                "standardized": standardized,
                "native": {"args": {"command": document.command}, "config": config},
            },
        },
        "results": {
            "request_performance": {"aggregate": _aggregate(stream, workload)},
            "session_performance": _sessions(stream),
        },
    }
    return RootModel[dict[str, Any]](_without_none(found))


def _aggregate(stream: StreamResult, workload: Workload) -> dict[str, Any]:
    outcomes, is_streamed = stream.outcomes, stream.gap is not None
    has_token_each = is_streamed and stream.unit == "token" and stream.num_messages == stream.num_outputs
    of_tokens = stream.unit == "token"
    return {
        "requests": {
            "total": outcomes.planned - outcomes.dropped - outcomes.abandoned,
            "failures": outcomes.error + outcomes.deadline,
            "incomplete": outcomes.unfinished + outcomes.cancelled,
            "input_length": _mean(stream.num_prompt_tokens, outcomes.ok, "count"),
            "output_length": _mean(stream.num_outputs, outcomes.ok, "count") if of_tokens else None,
        },
        "latency": {
            "time_to_first_token": _statistics(stream.first_output.seconds, "s") if is_streamed and of_tokens else None,
            "time_per_output_token": _statistics(stream.time_per_output, "s/token") if of_tokens else None,
            "inter_token_latency": _statistics(stream.gap.seconds, "s/token")
            if has_token_each and stream.gap
            else None,
            "request_latency": _statistics(stream.latency.seconds, "s"),
        },
        "throughput": {
            "output_token_rate": {"units": "tokens/s", "mean": stream.rates.outputs} if of_tokens else None,
            "request_rate": {"units": "queries/s", "mean": stream.rates.requests},
            "image_rate": None if stream.rates.images is None else {"units": "images/s", "mean": stream.rates.images},
        },
    }


def _sessions(stream: StreamResult) -> dict[str, Any] | None:
    found = stream.conversations
    if found is None:
        return None
    each = {"units": "count", "mean": len(found.turns)}
    return {"sessions": {"total": found.count, "events_per_session": each}}


def _statistics(found: Summary | None, units: str) -> dict[str, Any] | None:
    if found is None or found.mean is None:
        return None
    return {"units": units, **{theirs: getattr(found, ours) for ours, theirs in _NAMES.items()}}


def _mean(total: int | None, count: int, units: str) -> dict[str, Any] | None:
    return {"units": units, "mean": total / count} if total is not None and count else None


def _sequence(lengths: Lengths) -> dict[str, Any]:
    first = lengths.parameters[0]
    if lengths.shape == "uniform":
        last = lengths.parameters[1]
        return {"distribution": "uniform", "value": (first + last) / 2, "min": first, "max": last}
    if lengths.shape == "choice":
        return {"distribution": "other", "value": sum(lengths.parameters) / len(lengths.parameters)}
    return _fixed(first) if lengths.shape == "fixed" else {"distribution": "other", "value": first}


def _fixed(number: int) -> dict[str, Any]:
    return {"distribution": "fixed", "value": number}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value
