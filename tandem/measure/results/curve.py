"""A sweep over callers as a curve by the definitions of MLPerf Endpoints v1.0. It is not an MLPerf result: its rules
demand longer runs, and MLCommons has not verified it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tandem.measure.results.load import Document
from tandem.measure.results.value import Part
from tandem.measure.scenario import ClosedLoop


class Point(Part):
    """`concurrency`: callers, each with one request at a time. `system_tps`: output tokens a second of all.

    `tps_per_user`: 1000 / `tpot_p90_ms`, the p90 over answers of the time for each token behind the first message.
    `ttft_p90_ms`: p90 of the time to the first token. None: too few answers to tell. `is_valid`: by the audit.
    """

    concurrency: int
    system_tps: float
    tps_per_user: float | None
    tpot_p90_ms: float | None
    ttft_p90_ms: float | None
    is_valid: bool


class Curve(Part):
    """The points in order of their callers; of several rounds each has its own."""

    note: str = (
        "Unofficial: by the definitions of MLPerf Endpoints v1.0, but neither its durations nor verified by MLCommons"
    )
    definitions: Literal["MLPerf Endpoints v1.0"] = "MLPerf Endpoints v1.0"
    model: str
    points: tuple[Point, ...]


def curve_of(documents: Sequence[Document]) -> Curve | None:
    """Return the curve of runs with one stream of texts each; None where there is none, as of open loops."""
    points = []
    for document in documents:
        load, stream = document.scenario.load, document.streams[0]
        is_of_texts = stream.kind == "text" and stream.delivery == "streamed" and len(document.streams) == 1
        if not isinstance(load, ClosedLoop) or not is_of_texts:
            return None
        tpot, ttft = (
            None if found is None else found.p90 for found in (stream.time_per_output, stream.first_output.seconds)
        )
        points.append(
            Point(
                concurrency=load.concurrency,
                system_tps=stream.rates.outputs,
                tps_per_user=1 / tpot if tpot else None,
                tpot_p90_ms=1e3 * tpot if tpot else None,
                ttft_p90_ms=1e3 * ttft if ttft else None,
                is_valid=document.is_sound,
            )
        )
    points.sort(key=lambda point: point.concurrency)
    return Curve(model=documents[0].streams[0].model, points=tuple(points)) if points else None
