"""An A/A control: the same load twice, in alternating slices, and how far equal things differ here.

A difference between two other runs of the same length means something only if it is larger. The slices go A B, B A,
A B, ...: what drifts slowly falls on both alike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tandem.measure.generator.generator import Generator
from tandem.measure.results.load import Control, Difference, Document
from tandem.measure.scenario import Scenario
from tandem.shared.errors import ExpectedError

NUM_PAIRS = 5
# Student's t at 95 % for NUM_PAIRS - 1 degrees of freedom.
_T = 2.776
_MOST_WARM_UP_SECONDS = 1.0


async def control_of(source: Generator, scenario: Scenario, requests: Sequence[Sequence[bytes]] = ()) -> Control | None:
    """Carry a scenario out twice more, in slices; None if that is broken off. Raises what `Generator.run` does.

    A ramp has no slices that are alike. Raises ValueError for one.
    """
    piece = slice_of(scenario)
    pairs = defaultdict(list)
    for number in range(NUM_PAIRS):
        both = []
        for _ in range(2):
            # The same arrivals and requests on both sides, other ones in each pair.
            run_result = await source.run(piece.model_copy(update={"seed": scenario.seed + number}), requests=requests)
            both.append(dict(_figures(run_result.document)))
            if source.stop.is_set() or run_result.document.is_partial:
                return None
        a, b = both if number % 2 == 0 else reversed(both)
        for key in a.keys() & b.keys():
            pairs[key].append((a[key], b[key]))
    whole = {key: pairs[key] for key in sorted(pairs) if len(pairs[key]) == NUM_PAIRS}
    return Control(
        num_pairs=NUM_PAIRS,
        slice_seconds=piece.duration_seconds,
        slice_requests=piece.num_requests,
        differences=differences(whole),
    )


def slice_of(scenario: Scenario) -> Scenario:
    """Return one slice of a scenario. Raises ValueError for a ramp."""
    if scenario.is_ramp:
        raise ExpectedError("control: a ramp has no slices that are alike")
    seconds, number = scenario.duration_seconds, scenario.num_requests
    changes = {
        "duration_seconds": None if seconds is None else seconds / NUM_PAIRS,
        "num_requests": None if number is None else -(-number // NUM_PAIRS),
        "warm_up_seconds": min(scenario.warm_up_seconds, _MOST_WARM_UP_SECONDS),
    }
    return Scenario.model_validate({**dict(scenario), **changes})


def _figures(document: Document) -> Iterator[tuple[tuple[str, str], float]]:
    """Yield the figures of each stream that are positive."""
    for stream in document.streams:
        latency = stream.latency.seconds
        figures = {"latency p50": latency.p50, "latency p99": latency.p99, "requests/s": stream.rates.requests}
        yield from (((stream.name, figure), value) for figure, value in figures.items() if value)


def differences(pairs: Mapping[tuple[str, str], Sequence[tuple[float, float]]]) -> tuple[Difference, ...]:
    """Return what the pairs (A, B) of each stream and figure say; values are positive."""
    found = []
    for (stream, figure), values in pairs.items():
        logarithms = np.array([math.log(b / a) for a, b in values])
        error = float(np.std(logarithms, ddof=1)) / math.sqrt(len(logarithms))
        ratio = math.exp(float(np.mean(logarithms)))
        found.append(Difference(stream=stream, figure=figure, ratio=ratio, least=math.expm1(_T * error)))
    return tuple(found)
