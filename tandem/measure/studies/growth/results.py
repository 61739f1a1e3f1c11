"""From the rounds to the points of a document: medians and ranges. What could not be measured is told, not guessed."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.measure.results.growth import ConcurrencyPoint, ContextPoint, DraftPoint, DraftResult, Server
from tandem.measure.statistics.intervals import over_rounds
from tandem.measure.studies.growth.texts import TEXTS
from tandem.measure.studies.growth.together import Together
from tandem.measure.studies.growth.trials import Case, Findings

_APART = (
    "they never all ran at once, which is left out; the server's max_num_sequences may be lower, or more new tokens are"
    " needed"
)


def concurrency_points(findings: Findings) -> tuple[list[ConcurrencyPoint], list[str]]:
    """Return the points, and what is wrong."""
    points, problems = [], []
    for number, rounds in sorted(findings.concurrency.items()):
        timed = [(each, *times) for each in rounds if (times := _times(each)) is not None]
        if len(timed) < len(rounds):
            problems.append(f"{number} streams: {len(rounds) - len(timed)} of {len(rounds)} times {_APART}")
        if timed:
            points.append(
                ConcurrencyPoint(
                    concurrency=number,
                    decode_tokens_per_second=over_rounds(rate for _, rate, _ in timed),
                    whole_tokens_per_second=over_rounds(each.whole_tokens_per_second for each, _, _ in timed),
                    step_seconds=over_rounds(number / rate for _, rate, _ in timed),
                    step_seconds_of_rounds=tuple(number / rate for _, rate, _ in timed),
                    gap_p50_seconds=over_rounds(gap for _, _, gap in timed),
                    first_token_p50_seconds=over_rounds(each.first_token_p50_seconds for each, _, _ in timed),
                )
            )
    return points, problems


def _times(streams: Together) -> tuple[float, float] | None:
    """Return tokens/s and the median gap of the part in which all generated; None if there was none."""
    rate, gap = streams.decode_tokens_per_second, streams.gap_p50_seconds
    return None if not rate or gap is None else (rate, gap)


def context_points(findings: Findings) -> tuple[list[ContextPoint], list[str]]:
    """Return the points, and what is wrong."""
    points, problems = [], []
    for tokens, rounds in sorted(findings.context.items()):
        timed = [(each.first_token_p50_seconds, *times) for each in rounds if (times := _times(each)) is not None]
        if len(timed) < len(rounds):
            missed = f"{len(rounds) - len(timed)} of {len(rounds)} times"
            problems.append(f"{tokens} tokens of context: {missed} all tokens came in one message; these are left out")
        if timed:
            points.append(
                ContextPoint(
                    context_tokens=tokens,
                    first_token_seconds=over_rounds(first for first, _, _ in timed),
                    prefill_tokens_per_second=over_rounds(tokens / first for first, _, _ in timed),
                    gap_p50_seconds=over_rounds(gap for _, _, gap in timed),
                    decode_tokens_per_second=over_rounds(rate for _, rate, _ in timed),
                )
            )
    return points, problems


def draft_points(findings: Findings, servers: Sequence[Server]) -> tuple[list[DraftPoint], list[str]]:
    """Return the points, and what is wrong: above all, outputs that are not the same."""
    points, problems = [], []
    cases: list[Case] = sorted(findings.drafts, key=lambda case: (list(TEXTS).index(case[0]), case[1]))
    for text, number in cases:
        rounds = findings.drafts[text, number]
        name = f"{number} streams of {TEXTS[text]}"
        timed = [row for row in rounds if all(each.decode_tokens_per_second for each in row)]
        if len(timed) < len(rounds):
            problems.append(f"{name}: {len(rounds) - len(timed)} of {len(rounds)} times {_APART}")
        if not timed:
            continue
        point = _draft_point((text, number), timed, servers)
        if point.num_different:
            problems.append(f"{name}: {point.num_different} of {point.num_outputs} outputs differ between the servers")
        points.append(point)
    return points, problems


def _draft_point(case: Case, rounds: Sequence[Sequence[Together]], servers: Sequence[Server]) -> DraftPoint:
    pairs = [
        (ours.token_ids, theirs.token_ids)
        for first, *others in rounds
        for other in others
        for ours, theirs in zip(first.streams, other.streams, strict=True)
    ]
    rates = [[each.decode_tokens_per_second or 0.0 for each in row] for row in rounds]
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
