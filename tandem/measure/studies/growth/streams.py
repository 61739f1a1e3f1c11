"""Streams that were sent at once: the texts that a model is to go on with, which tokens came, and when; and from the
rounds to the points of a document: medians and ranges. What could not be measured is told, not guessed.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tandem.measure.generator.requests.replies import tokens_by_number
from tandem.measure.results.growth import TEXTS, Point, Server, Text
from tandem.measure.results.record import Record
from tandem.measure.results.value import Repeated
from tandem.measure.statistics.intervals import over_rounds
from tandem.measure.statistics.quantiles import nearest_rank

Trial = tuple[Literal["streams", "context"] | Text, int]
"""One point: of a curve over streams or over context; or of a text that all servers are given, in so many streams."""

PASSAGES = (
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
    passage = PASSAGES[place % len(PASSAGES)]
    if kind == "repeats itself":
        begun = " ".join(passage.split()[:_NUM_WORDS_BEGUN])
        passage = "\n\n".join((*[passage] * _REPEATS, begun))
    return f"No. {source.randrange(10**6)}\n\n{passage}"


@dataclass(frozen=True)
class Together:
    """Streams that were sent at once: their figures, as Point has them, and the tokens of each if replies were kept."""

    figures: Mapping[str, float]
    token_ids: Sequence[Sequence[int]] = ()


def together(record: Record, rpc: str, num_requests: int = 0) -> Together:
    """Return the streams of a record, all of one `rpc`; the tokens of `num_requests` that were given to the run in the
    order of these, wherever its numbers began.
    """
    tokens = tokens_by_number(record, [rpc]) if num_requests else {}
    by_request = [tokens[number] for number in sorted(tokens, key=lambda number: number % num_requests)]
    return Together(figures_of(record), by_request)


def figures_of(record: Record) -> dict[str, float]:
    """Return the figures of streams, each of at least one message; those of the part in which all were generating are
    left out if there was none, as where the server did not run all of them at a time.
    """
    messages = record.messages
    sent, at, counts = record.requests["sent"], messages["at"], messages["num_outputs"]
    ends = np.diff(messages["number"]) != 0
    is_first, is_last = np.append(True, ends), np.append(ends, True)
    begin, end = at[is_first].max(), at[is_last].min()
    found = {
        "whole_tokens_per_second": float(counts.sum() / (at.max() - sent.min())),
        "first_token_p50_seconds": nearest_rank(at[is_first] - sent, 0.5),
        "tokens_per_message": 0.0 if is_first.all() else float(counts[~is_first].mean()),
    }
    if end > begin:
        rate = float(counts[(at > begin) & (at <= end)].sum() / (end - begin))
        found |= {"decode_tokens_per_second": rate, "step_seconds": len(sent) / rate}
    gaps = np.diff(at)[~is_first[1:] & (at[:-1] >= begin) & (at[1:] <= end)]
    return found | ({"gap_p50_seconds": nearest_rank(gaps, 0.5)} if len(gaps) else {})


_APART = (
    "they never all ran at once, which is left out; the server's max_num_sequences may be lower, or more new tokens are"
    " needed"
)
_AT_ONCE = "all tokens came in one message; these are left out"


def name_of(trial: Trial) -> str:
    """Return what people call it."""
    kind, size = trial
    if kind == "streams" or kind == "context":
        return f"{size} {'streams' if kind == 'streams' else 'tokens of context'}"
    return f"{size} streams of {TEXTS[kind]}"


def points_of(
    seen: Mapping[Trial, Sequence[Sequence[Together]]], servers: Sequence[Server], problems: list[str]
) -> Iterator[Point]:
    """Yield the points of each trial, of which there is a row a round with what each server made of it; those rounds
    are left out in which a server has no part in which all were generating. Adds what is wrong to `problems`: how many
    those are, and above all, outputs that are not the same.
    """
    kinds = ["streams", "context", *TEXTS]
    for trial in sorted(seen, key=lambda trial: (kinds.index(trial[0]), trial[1])):
        kind, name, rounds = trial[0], name_of(trial), seen[trial]
        needed = {"decode_tokens_per_second"} if kind in TEXTS else {"decode_tokens_per_second", "gap_p50_seconds"}
        whole = [row for row in rounds if all(needed <= streams.figures.keys() for streams in row)]
        if missed := len(rounds) - len(whole):
            problems.append(f"{name}: {missed} of {len(rounds)} times {_AT_ONCE if kind == 'context' else _APART}")
        for place in range(len(whole[0]) if whole else 0):
            point = _point(trial, servers[place], [(row[0], row[place]) for row in whole])
            yield point
            if point.num_different:
                different = f"{point.num_different} of {point.num_outputs} outputs"
                problems.append(f"{name}: {different} differ between the servers")


def _point(trial: Trial, server: Server, rounds: Sequence[tuple[Together, Together]]) -> Point:
    """Return the point of a server; a round is what the first one and this one did."""
    kind, size = trial
    figures = []
    for first, own in rounds:
        rate = own.figures["decode_tokens_per_second"]
        found = {**own.figures, "ratio": rate / first.figures["decode_tokens_per_second"]}
        if kind == "context":
            found["prefill_tokens_per_second"] = size / found["first_token_p50_seconds"]
        figures.append(found)
    outputs = [zip(first.token_ids, own.token_ids, strict=True) for first, own in rounds if first is not own]
    known = [name for name in figures[0] if all(name in found for found in figures)]
    pairs: list[Any] = [pair for output in outputs for pair in output]
    return Point(
        kind=kind,
        at=size,
        server=server,
        figures={name: _repeated([found[name] for found in figures]) for name in known},
        num_outputs=len(pairs),
        num_different=sum(ours != theirs for ours, theirs in pairs),
    )


def _repeated(values: Sequence[float]) -> Repeated:
    return Repeated(**vars(over_rounds(values)), of_rounds=tuple(values))
