"""Streams that were sent at once: the texts that a model is to go on with, which tokens came, and when; and from the
rounds to the points of a document: medians and ranges. What could not be measured is told, not guessed.
"""

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tandem.measure.generator.requests.replies import tokens_by_number
from tandem.measure.results.growth import TEXTS, ConcurrencyPoint, ContextPoint, DraftPoint, DraftResult, Server, Text
from tandem.measure.results.record import Record
from tandem.measure.statistics.intervals import over_rounds
from tandem.measure.statistics.quantiles import nearest_rank

Case = tuple[Text, int]
"""A text, and how many streams of it at a time."""

_PASSAGES = (
    "The ferry leaves the northern pier at seven, crosses the bay in forty minutes, and waits for the bus from the"
    " hills. Whoever misses it has time for a long breakfast, since the next one goes at noon.",
    "In the garden behind the library stand three pear trees. The oldest bears fruit every second year, the youngest"
    " has never borne any, and the one between them keeps the birds of the whole street.",
    "Our workshop repairs clocks, music boxes and, on Fridays, radios. Bring the key if there is one, write your name"
    " on the tag, and do not wind anything that has stood still for more than a year.",
    "The map shows two paths to the summit. The first follows the river and is easy but long; the second climbs"
    " straight through the wood and should not be taken after rain.",
)
_REPEATS = 3
_NUM_WORDS_BEGUN = 6


def prompt(kind: Text, place: int, source: random.Random) -> str:
    """Return a text that begins like no other; one that repeats itself has begun with its next repetition."""
    passage = _PASSAGES[place % len(_PASSAGES)]
    if kind == "repeats itself":
        begun = " ".join(passage.split()[:_NUM_WORDS_BEGUN])
        passage = "\n\n".join((*[passage] * _REPEATS, begun))
    return f"No. {source.randrange(10**6)}\n\n{passage}"


class Together:
    """Streams of a record, each of at least one message. Seconds of the common part: from the last one's first token to
    the first one's end, in which all were generating; there may be none, if the server did not run all of them at a
    time. `token_ids` of each stream are there if replies were kept.
    """

    def __init__(self, record: Record, token_ids: Sequence[Sequence[int]] = ()) -> None:
        self.token_ids = token_ids
        messages = record.messages
        self._sent, self._at, self._counts = record.requests["sent"], messages["at"], messages["num_outputs"]
        ends = np.diff(messages["number"]) != 0
        self._is_first, self._is_last = np.append(True, ends), np.append(ends, True)

    @property
    def whole_tokens_per_second(self) -> float:
        return float(self._counts.sum() / (self._at.max() - self._sent.min()))

    @property
    def first_token_p50_seconds(self) -> float:
        return nearest_rank(self._at[self._is_first] - self._sent, 0.5)

    @property
    def common(self) -> tuple[float, float]:
        """Beginning and end of the common part."""
        return float(self._at[self._is_first].max()), float(self._at[self._is_last].min())

    @property
    def decode_tokens_per_second(self) -> float | None:
        begin, end = self.common
        if end <= begin:
            return None
        return float(self._counts[(self._at > begin) & (self._at <= end)].sum() / (end - begin))

    @property
    def gap_p50_seconds(self) -> float | None:
        begin, end = self.common
        before, after = self._at[:-1], self._at[1:]
        gaps = (after - before)[~self._is_first[1:] & (before >= begin) & (after <= end)]
        return nearest_rank(gaps, 0.5) if len(gaps) else None

    @property
    def tokens_per_message(self) -> float:
        """Behind each stream's first message; 0 if there was none."""
        counts = self._counts[~self._is_first]
        return float(counts.mean()) if len(counts) else 0.0


def together(record: Record, rpc: str, num_requests: int = 0) -> Together:
    """Return the streams of a record, all of one `rpc`; the tokens of `num_requests` that were given to the run in the
    order of these, wherever its numbers began.
    """
    tokens = tokens_by_number(record, [rpc]) if num_requests else {}
    return Together(record, [tokens[number] for number in sorted(tokens, key=lambda number: number % num_requests)])


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
