"""Load 1: the four ways asked for one image of the same class, one right after the other, in random order. A round."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.compare.album import Album, Pixels
from bench.compare.caller import Caller
from bench.compare.dealer import Dealer
from bench.compare.ways import Way
from bench.load.record import Fate, Record, Recorder, Use

_NO_USE = Use(0.0, 0.0, 1)  # of a single request nobody can tell


@dataclass(frozen=True)
class Reply:
    """What one request of a round has brought; `image` [H, W, C] is None if it failed."""

    record: Record
    image: Pixels | None

    @property
    def is_good(self) -> bool:
        return self.image is not None and int(self.record.requests["fate"][0]) == Fate.OK

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
    """One request of each way, by its name, for an image of class `label`."""

    label: int
    replies: Mapping[str, Reply]

    @property
    def is_complete(self) -> bool:
        """Whether all went well: only then are they compared."""
        return all(reply.is_good for reply in self.replies.values())


async def one_round(
    label: int,
    order: Sequence[Way],
    callers: Mapping[str, Caller],
    dealers: Mapping[str, Dealer],
    albums: Mapping[str, Album],
) -> Round:
    """Ask in this order. `callers` by way; `dealers`, for the seeds alone, and `albums` by paradigm."""
    replies = {}
    for way in order:
        recorder = Recorder(1)
        request = dealers[way.work.paradigm].order(label)
        image = await callers[way.name].ask(request, recorder, 0.0, time.monotonic())
        replies[way.name] = Reply(recorder.record(_NO_USE), image)
        if image is not None:
            albums[way.work.paradigm].add(label, image)
    return Round(label, replies)
