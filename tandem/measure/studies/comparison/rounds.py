"""Load 1: all modes asked for an image of the same class, one right after the other, in an order that changes. A round.

From the record of a load in which the modes take turns to its rounds. Sends nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tandem.measure.generator.requests.replies import Pixels, images_by_number
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.schedule.request_sequence import RequestSequence
from tandem.measure.results.record import CODE_NAMES, MESSAGE, REPLY, Outcome, Record
from tandem.measure.studies.comparison.foreign import whole_texts
from tandem.measure.studies.comparison.modes import Mode


@dataclass(frozen=True)
class Reply:
    """What one request of a round has brought; `image` [H, W, C] is None if it failed, and of a foreign server."""

    record: Record
    image: Pixels | None
    is_foreign: bool = False

    @property
    def is_good(self) -> bool:
        return (self.image is not None or self.is_foreign) and int(self.record.requests["outcome"][0]) == Outcome.OK

    @property
    def first_output_seconds(self) -> float:
        row = self.record.requests[0]
        return float(row["first_output"] - row["intended"])

    @property
    def latency_seconds(self) -> float:
        row = self.record.requests[0]
        return float(row["ended"] - row["intended"])


@dataclass(frozen=True)
class Round:
    """One request of each mode, by its name, for an image of class `label`."""

    label: int
    replies: Mapping[str, Reply]

    @property
    def is_complete(self) -> bool:
        """Whether all went well: only then are they compared."""
        return all(reply.is_good for reply in self.replies.values())


def rounds_of(run_result: RunResult, modes: Sequence[Mode], num_classes: int) -> list[Round]:
    """Return the rounds of a load whose workloads are these modes, in turn; one that was broken off is left out."""
    record, scenario = whole_texts(run_result.record, modes), run_result.document.scenario
    images = images_by_number(record, [mode.workload.rpc for mode in modes])
    sequence, texts = RequestSequence(scenario), Counter(record.error_texts)
    found: dict[int, dict[str, Reply]] = defaultdict(dict)
    for row in record.requests[record.requests["outcome"] != Outcome.UNFINISHED]:
        number, mode = int(row["number"]), modes[int(row["workload"])]
        reply = Reply(_of_one(record, row, texts), images.get(number), mode.is_foreign)
        found[number // len(modes)][mode.name] = reply
    return [
        Round(int(sequence[place * len(modes) - scenario.first_number].place * num_classes), replies)
        for place, replies in sorted(found.items())
        if len(replies) == len(modes)
    ]


def side_by_side(ours: Sequence[Round], theirs: Sequence[Round]) -> list[Round]:
    """Return the rounds of a foreign server put into ours, which were asked right before or after them."""
    return [Round(own.label, {**own.replies, **other.replies}) for own, other in zip(ours, theirs, strict=False)]


def _of_one(record: Record, row: np.void, texts: Counter[tuple[int, str, str]]) -> Record:
    """Return the record of one request as if it had been sent alone; takes its error from `texts`."""
    requests = np.array([row], record.requests.dtype)
    requests["workload"] = 0
    code = CODE_NAMES[int(row["code"])]
    own = next((each for each in texts if each[:2] == (int(row["workload"]), code) and texts[each]), None)
    if own is not None:
        texts[own] -= 1
    return record._replace(
        requests=requests,
        messages=np.array([], MESSAGE),
        num_dropped=np.zeros(1, np.int64),
        num_abandoned=np.zeros(1, np.int64),
        replies=np.array([], REPLY),
        reply_bytes=np.array([], np.uint8),
        error_texts=Counter() if own is None else Counter({(0, code, own[2]): 1}),
    )
