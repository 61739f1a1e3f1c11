"""What a server has really sent, in the figures that load testers report, and how far off theirs are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.value import Part, Summary
from tandem.measure.statistics.quantiles import summary
from tandem.measure.truth.native.build import Ending
from tandem.measure.truth.server import Record, Table

Reported = Mapping[tuple[str, str], float]
"""Seconds by figure ("ttft", "gap", "tpot", "latency") and quantile ("p50", "p99" and what else a Summary has)."""


class Truth(Part):
    """Of the requests that counted; all durations begin when the kernel had the request, and end when a message was
    handed to it. Seconds.

    ttft: to the first message; latency: to the last; of requests that were answered. gap: between two messages; tpot:
    the mean gap of a request. `lateness`: of first messages, behind the law. `requests_per_second` as they arrived.
    `concurrency`: under way, mean over time and at the most. `cpu_seconds_per_request`: of the tester, its start left
    out; None: not known.
    """

    num_requests: int
    num_skipped: int
    num_failed: int
    num_cancelled: int
    seconds: float
    requests_per_second: float | None
    concurrency: float
    max_concurrency: int
    ttft: Summary
    gap: Summary
    tpot: Summary
    latency: Summary
    lateness: Summary
    cpu_seconds_per_request: float | None = None


class Difference(NamedTuple):
    """A figure that a tester reported, what was the case, and by which share of it the first is larger."""

    figure: str
    quantile: str
    reported: float
    truth: float
    error: float


def truth_of(record: Record, num_skipped: int = 0) -> Truth:
    """Return what is the case of all requests but the first `num_skipped` to arrive."""
    rows = record.requests[num_skipped:]
    answered = rows[rows["ending"] == Ending.ANSWERED]
    messages = record.messages[np.isin(record.messages["number"], answered["number"])]
    is_same = messages["number"][1:] == messages["number"][:-1]
    several = answered[answered["num_messages"] > 1]
    arrivals = np.sort(rows["arrived"])
    span = float(np.max(rows["ended"]) - arrivals[0]) if len(rows) else 0.0
    between = float(arrivals[-1] - arrivals[0]) if len(rows) > 1 else 0.0
    return Truth(
        num_requests=len(rows),
        num_skipped=len(record.requests) - len(rows),
        num_failed=int(np.sum(rows["ending"] == Ending.FAILED)),
        num_cancelled=int(np.sum(rows["ending"] >= Ending.CANCELLED)),
        seconds=span,
        requests_per_second=(len(rows) - 1) / between if between else None,
        concurrency=float(np.sum(rows["ended"] - rows["arrived"])) / span if span else 0.0,
        max_concurrency=_most_at_a_time(rows),
        ttft=summary(answered["first"] - answered["arrived"]),
        gap=summary(np.asarray(np.diff(messages["at"])[is_same])),
        tpot=summary((several["ended"] - several["first"]) / (several["num_messages"] - 1)),
        latency=summary(answered["ended"] - answered["arrived"]),
        lateness=summary(answered["first"] - answered["due"]),
    )


def _most_at_a_time(rows: Table) -> int:
    instants = np.concatenate((rows["arrived"], rows["ended"]))
    steps: NDArray[np.int64] = np.repeat([1, -1], len(rows))
    return int(np.max(np.cumsum(steps[np.argsort(instants, kind="stable")]), initial=0))


def differences(truth: Truth, reported: Reported) -> list[Difference]:
    """Return a row for each reported figure of which the truth is known."""
    found = []
    for (figure, quantile), seconds in reported.items():
        known: float | None = getattr(getattr(truth, figure), quantile)
        if known:
            found.append(Difference(figure, quantile, seconds, known, seconds / known - 1.0))
    return found
