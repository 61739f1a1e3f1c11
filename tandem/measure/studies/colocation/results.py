"""From what whole rounds saw to the figures of each service, alone and together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from tandem.measure.results.colocation import Change, Load, Metric, Pairing, Side
from tandem.measure.statistics.intervals import MIN_ROUNDS
from tandem.measure.studies.colocation.loads import Seen
from tandem.measure.studies.comparison.contrasts import ratio_of
from tandem.measure.studies.comparison.sample import Figure, pooled_quantile, ratio_of_sums

_CONFIDENCE = 0.95

Trial = tuple[Load, ...]
"""Loads that run at once: one, or a sequential one and the parallel one."""
Round = Mapping[Trial, Sequence[Seen]]


def pairings_of(rounds: Sequence[Round]) -> Iterator[Pairing]:
    """Yield what came of each trial of two loads, beside those of each load alone."""
    for trial in rounds[0] if rounds else ():
        if len(trial) == 2:
            sides = [_side(trial, place, rounds) for place in range(2)]
            yield Pairing(sequential=sides[0], parallel=sides[1], num_rounds=len(rounds))


def _side(trial: Trial, place: int, rounds: Sequence[Round]) -> Side:
    load = trial[place]
    alone, together = [each[load,][0] for each in rounds], [each[trial][place] for each in rounds]
    return Side(
        load=load,
        changes=tuple(_changes(load, alone, together)),
        num_requests=sum(each.num_requests for each in together),
        num_failed=sum(each.num_failed for each in together),
        num_growing=sum(each.grows for each in together),
    )


def _changes(load: Load, *seen: Sequence[Seen]) -> Iterator[Change]:
    for metric in get_args(Metric):
        alone, together = (_figure(metric, load, each) for each in seen)
        if alone is not None and together is not None:
            yield Change(
                metric=metric,
                alone=alone.value(_CONFIDENCE),
                together=together.value(_CONFIDENCE),
                ratio=ratio_of(together, alone, _CONFIDENCE, MIN_ROUNDS),
                alone_of_rounds=alone.spread,
                together_of_rounds=together.spread,
            )


def _figure(metric: Metric, load: Load, rounds: Sequence[Seen]) -> Figure | None:
    """Return a figure of these rounds; None if too little was seen, or such a load has no such figure."""
    quantile = 0.99 if "p99" in metric else 0.5
    match metric.partition("_")[0]:
        case "latency":
            return pooled_quantile([each.latencies for each in rounds], quantile)
        case "gap":
            return pooled_quantile([each.gaps for each in rounds], quantile)
        case "tokens" if all(each.gaps.sum() > 0.0 for each in rounds):
            return ratio_of_sums([each.num_gap_tokens for each in rounds], [each.gaps.sum() for each in rounds])
        case "images" if load.rate_per_second is not None:
            return ratio_of_sums([each.num_images for each in rounds], [each.seconds for each in rounds])
    return None
