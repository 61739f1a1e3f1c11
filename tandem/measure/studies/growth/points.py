"""From the rounds to the points of a document: medians and ranges. What could not be measured is told, not guessed."""

from collections.abc import Iterator, Mapping, Sequence

from tandem.measure.results.growth import ConcurrencyPoint, ContextPoint, DraftPoint, DraftResult, Server
from tandem.measure.statistics.intervals import over_rounds
from tandem.measure.studies.growth.streams import Together
from tandem.measure.studies.growth.texts import TEXTS, Case

_APART = (
    "they never all ran at once, which is left out; the server's max_num_sequences may be lower, or more new tokens are"
    " needed"
)
_AT_ONCE = "all tokens came in one message; these are left out"
_ORDER = list(TEXTS)

Timed = tuple[Together, float, float]
"""Streams that generated at once, with their tokens/s and median gap of that part."""


def _curve(
    rounds: Mapping[int, Sequence[Together]], what: str, why: str, problems: list[str]
) -> Iterator[tuple[int, list[Timed]]]:
    """Yield each number of `what`, ascending, with those rounds that have a common part; adds to `problems` how many
    have none, and `why`.
    """
    for number in sorted(rounds):
        timed = [
            (streams, rate, gap)
            for streams in rounds[number]
            if (rate := streams.decode_tokens_per_second) and (gap := streams.gap_p50_seconds) is not None
        ]
        problems += _missed(f"{number} {what}", len(rounds[number]), len(timed), why)
        if timed:
            yield number, timed


def _missed(name: str, num_rounds: int, num_timed: int, why: str) -> list[str]:
    missed = num_rounds - num_timed
    return [f"{name}: {missed} of {num_rounds} times {why}"] if missed else []


def concurrency_points(rounds: Mapping[int, Sequence[Together]], problems: list[str]) -> list[ConcurrencyPoint]:
    """Return the points by streams at a time; adds what is wrong to `problems`."""
    return [
        ConcurrencyPoint(
            concurrency=number,
            decode_tokens_per_second=over_rounds(rate for _, rate, _ in timed),
            whole_tokens_per_second=over_rounds(streams.whole_tokens_per_second for streams, _, _ in timed),
            step_seconds=over_rounds(number / rate for _, rate, _ in timed),
            step_seconds_of_rounds=tuple(number / rate for _, rate, _ in timed),
            gap_p50_seconds=over_rounds(gap for _, _, gap in timed),
            first_token_p50_seconds=over_rounds(streams.first_token_p50_seconds for streams, _, _ in timed),
        )
        for number, timed in _curve(rounds, "streams", _APART, problems)
    ]


def context_points(rounds: Mapping[int, Sequence[Together]], problems: list[str]) -> list[ContextPoint]:
    """Return the points by tokens of context; adds what is wrong to `problems`."""
    return [
        ContextPoint(
            context_tokens=number,
            first_token_seconds=over_rounds(streams.first_token_p50_seconds for streams, _, _ in timed),
            prefill_tokens_per_second=over_rounds(number / streams.first_token_p50_seconds for streams, _, _ in timed),
            gap_p50_seconds=over_rounds(gap for _, _, gap in timed),
            decode_tokens_per_second=over_rounds(rate for _, rate, _ in timed),
        )
        for number, timed in _curve(rounds, "tokens of context", _AT_ONCE, problems)
    ]


def draft_points(
    rounds: Mapping[Case, Sequence[Sequence[Together]]], servers: Sequence[Server], problems: list[str]
) -> list[DraftPoint]:
    """Return what each server made of the same texts; adds what is wrong to `problems`: above all, outputs that are not
    the same.
    """
    points = []
    for case in sorted(rounds, key=lambda case: (_ORDER.index(case[0]), case[1])):
        name, all_rounds = f"{case[1]} streams of {TEXTS[case[0]]}", rounds[case]
        timed = [row for row in all_rounds if all(streams.decode_tokens_per_second for streams in row)]
        problems += _missed(name, len(all_rounds), len(timed), _APART)
        if timed:
            point = _draft_point(case, timed, servers)
            points.append(point)
            if point.num_different:
                different = f"{point.num_different} of {point.num_outputs} outputs"
                problems.append(f"{name}: {different} differ between the servers")
    return points


def _draft_point(case: Case, rounds: Sequence[Sequence[Together]], servers: Sequence[Server]) -> DraftPoint:
    pairs = [
        pair
        for first, *others in rounds
        for other in others
        for pair in zip(first.token_ids, other.token_ids, strict=True)
    ]
    rates = [[streams.decode_tokens_per_second or 0.0 for streams in row] for row in rounds]
    results = [
        DraftResult(
            server=server,
            decode_tokens_per_second=over_rounds(row[place] for row in rates),
            whole_tokens_per_second=over_rounds(row[place].whole_tokens_per_second for row in rounds),
            tokens_per_message=over_rounds(row[place].tokens_per_message for row in rounds),
            ratio=over_rounds(row[place] / row[0] for row in rates),
        )
        for place, server in enumerate(servers)
    ]
    return DraftPoint(
        text=case[0],
        concurrency=case[1],
        results=tuple(results),
        num_outputs=len(pairs),
        num_different=sum(ours != theirs for ours, theirs in pairs),
    )
