"""From the rounds to the points of a document: medians and ranges. What could not be measured is told, not guessed."""

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

_AT_ONCE = "all tokens came in one message; these are left out"
_ORDER = list(TEXTS)


def concurrency_points(findings: Findings, problems: list[str]) -> list[ConcurrencyPoint]:
    """Return the points; adds what is wrong to `problems`."""
    points = []
    for number, rounds in sorted(findings.concurrency.items()):
        timed = [(each, *times) for each in rounds if (times := _times(each)) is not None]
        problems += _missed(f"{number} streams", len(rounds), len(timed), _APART)
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
    return points


def _times(streams: Together) -> tuple[float, float] | None:
    """Return tokens/s and the median gap of the part in which all generated; None if there was none."""
    rate, gap = streams.decode_tokens_per_second, streams.gap_p50_seconds
    return None if not rate or gap is None else (rate, gap)


def _missed(name: str, num_rounds: int, num_timed: int, why: str) -> list[str]:
    missed = num_rounds - num_timed
    return [f"{name}: {missed} of {num_rounds} times {why}"] if missed else []


def context_points(findings: Findings, problems: list[str]) -> list[ContextPoint]:
    """Return the points; adds what is wrong to `problems`."""
    points = []
    for tokens, rounds in sorted(findings.context.items()):
        timed = [(each.first_token_p50_seconds, *times) for each in rounds if (times := _times(each)) is not None]
        problems += _missed(f"{tokens} tokens of context", len(rounds), len(timed), _AT_ONCE)
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
    return points


def draft_points(findings: Findings, servers: Sequence[Server], problems: list[str]) -> list[DraftPoint]:
    """Return the points; adds what is wrong to `problems`: above all, outputs that are not the same."""
    points = []
    for (text, number), rounds in sorted(
        findings.drafts.items(), key=lambda each: (_ORDER.index(each[0][0]), each[0][1])
    ):
        name = f"{number} streams of {TEXTS[text]}"
        timed = [row for row in rounds if all(each.decode_tokens_per_second for each in row)]
        problems += _missed(name, len(rounds), len(timed), _APART)
        if timed:
            point = _draft_point((text, number), timed, servers)
            points.append(point)
            if point.num_different:
                different = f"{point.num_different} of {point.num_outputs} outputs"
                problems.append(f"{name}: {different} differ between the servers")
    return points


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
