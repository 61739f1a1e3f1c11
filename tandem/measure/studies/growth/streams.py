"""Streams that were sent at once: which tokens came, and when. Knows neither what they are for nor who sent them."""

import itertools
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem.measure.generator.requests.replies import tokens_by_number
from tandem.measure.results.record import Record
from tandem.measure.statistics.quantiles import nearest_rank


@dataclass
class Stream:
    """`times` and `counts` of the messages that brought tokens. `token_ids` are there if replies were kept."""

    sent: float
    times: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Together:
    """Seconds of the common part: from the last one's first token to the first one's end, in which all were generating;
    there may be none, if the server did not run all of them at a time.
    """

    streams: Sequence[Stream]

    @property
    def whole_tokens_per_second(self) -> float:
        seconds = max(stream.times[-1] for stream in self.streams) - min(stream.sent for stream in self.streams)
        return sum(sum(stream.counts) for stream in self.streams) / seconds

    @property
    def first_token_p50_seconds(self) -> float:
        return nearest_rank([stream.times[0] - stream.sent for stream in self.streams], 0.5)

    @property
    def common(self) -> tuple[float, float]:
        """Beginning and end of the common part."""
        return max(stream.times[0] for stream in self.streams), min(stream.times[-1] for stream in self.streams)

    @property
    def decode_tokens_per_second(self) -> float | None:
        begin, end = self.common
        if end <= begin:
            return None
        rows = (row for stream in self.streams for row in zip(stream.times, stream.counts, strict=True))
        return sum(count for at, count in rows if begin < at <= end) / (end - begin)

    @property
    def gap_p50_seconds(self) -> float | None:
        begin, end = self.common
        pairs = (pair for stream in self.streams for pair in itertools.pairwise(stream.times))
        gaps = [after - before for before, after in pairs if begin <= before and after <= end]
        return nearest_rank(gaps, 0.5) if gaps else None

    @property
    def tokens_per_message(self) -> float:
        """Behind each stream's first message; 0 if there was none."""
        counts = [count for stream in self.streams for count in stream.counts[1:]]
        return statistics.fmean(counts) if counts else 0.0


def together(record: Record, rpc: str, num_requests: int | None = None) -> Together:
    """Return the streams of a record, all of one `rpc`: in the order of their numbers, or of `num_requests` that were
    given to the run, wherever its numbers began.
    """
    tokens = tokens_by_number(record, [rpc])
    numbers = record.messages["number"]
    streams = []
    for row in sorted(record.requests, key=lambda row: int(row["number"]) % (num_requests or sys.maxsize)):
        first, end = (int(np.searchsorted(numbers, row["number"], side=side)) for side in ("left", "right"))
        own = record.messages[first:end]
        kept = tokens.get(int(row["number"]), [])
        streams.append(Stream(float(row["sent"]), own["at"].tolist(), own["num_outputs"].tolist(), kept))
    return Together(streams)
