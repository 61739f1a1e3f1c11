"""Records made by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tandem.measure.results.record import MESSAGE, REPLY, REPORTED, REQUEST, Outcome, Record, Use

NOT_REPORTED = (float("nan"),) * len(REPORTED)
USE = Use(cpu_seconds=0.1, wall_seconds=1.0, num_requests=10)
CODES = {Outcome.OK: 0, Outcome.ERROR: 14, Outcome.DEADLINE: 4, Outcome.CANCELLED: 1, Outcome.UNFINISHED: 1}


class Ended(NamedTuple):
    """One row of REQUEST, but for `told`, which are the columns of REPORTED."""

    number: int
    workload: int
    outcome: int
    code: int
    length: int
    num_outputs: int
    num_images: int
    num_messages: int
    num_prompt_tokens: float
    num_cached_tokens: float
    is_counted: bool
    intended: float
    sent: float
    first_output: float
    ended: float
    told: tuple[float, ...]


class Recorder:
    """Takes what one process sees, as it sees it."""

    def __init__(self, num_workloads: int) -> None:
        self._num_workloads = num_workloads
        self._requests: list[tuple[Any, ...]] = []
        self._messages: list[tuple[int, float, int]] = []
        self._replies: list[tuple[int, bytes]] = []
        self.error_texts: Counter[tuple[int, str, str]] = Counter()  # workload, code, text

    def ended(
        self, row: Ended, messages: Iterable[tuple[int, float, int]], replies: Iterable[tuple[int, bytes]] = ()
    ) -> None:
        """Take a request that has ended; `messages` are rows of MESSAGE, `replies` numbers and bytes of messages."""
        self._requests.append((*row[:-1], *row.told))
        self._messages.extend(messages)
        self._replies.extend(replies)

    def record(self, use: Use) -> Record:
        """Return all that was seen; the process used so much."""
        return Record(
            requests=np.array(self._requests, REQUEST),
            messages=np.array(self._messages, MESSAGE),
            lags=np.array([], np.float64),
            num_dropped=np.zeros(self._num_workloads, np.int64),
            num_abandoned=np.zeros(self._num_workloads, np.int64),
            error_texts=Counter(dict(self.error_texts)),
            max_outstanding=0,
            uses=(use,),
            replies=np.array([(number, len(raw)) for number, raw in self._replies], REPLY),
            reply_bytes=np.frombuffer(b"".join(raw for _, raw in self._replies), np.uint8),
        )


def row(number: int, intended: float, latency: float, outcome: Outcome = Outcome.OK, **values: object) -> Ended:
    usual = {
        "workload": 0,
        "code": CODES[outcome],
        "length": 1,
        "num_outputs": 1,
        "num_images": 1,
        "num_messages": 1,
        "num_prompt_tokens": float("nan"),
        "num_cached_tokens": float("nan"),
        "is_counted": True,
        "sent": intended,
        "first_output": intended + latency,
        "ended": intended + latency,
        "told": NOT_REPORTED,
    }
    return Ended(number=number, outcome=outcome, intended=intended, **(usual | values))  # type: ignore[arg-type]


def record(
    rows: Sequence[Ended], messages: Sequence[tuple[int, float, int]] = (), num_workloads: int = 1, use: Use = USE
) -> Record:
    recorder = Recorder(num_workloads)
    for each in rows:
        recorder.ended(each, [message for message in messages if message[0] == each.number])
    return recorder.record(use)
