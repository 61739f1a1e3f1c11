"""The slices of an A/A control, carried out by a generator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tandem.measure.generator.generator import Generator
from tandem.measure.results.load import Control, Document
from tandem.measure.scenario import Scenario
from tandem.measure.statistics.control import NUM_PAIRS, differences, is_first
from tandem.shared.errors import ExpectedError

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
        a, b = both if is_first(number) else reversed(both)
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
