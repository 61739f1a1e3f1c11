"""What was seen of each request: raw values, one row a request and one a message, that merge without loss.

Instants are seconds from the end of the warm-up, the same zero in all processes. What is not known is NaN. Knows no
statistics.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import grpc
import numpy as np
from numpy.typing import NDArray

from tandem.shared.metrics import BACKEND_PHASES

CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
"""Names of gRPC's status codes, by number."""

Table = NDArray[np.void]


class Outcome(IntEnum):
    """How a request that was sent has ended; see tandem.measure.results.load.Outcomes."""

    OK = 0
    ERROR = 1
    DEADLINE = 2
    CANCELLED = 3
    UNFINISHED = 4


REQUEST = np.dtype(
    [
        ("number", "i8"),
        ("workload", "i2"),
        ("outcome", "i1"),
        ("code", "i1"),  # gRPC's number
        ("length", "i4"),  # what was asked for
        ("num_outputs", "i4"),
        ("num_images", "i4"),
        ("num_messages", "i4"),
        ("num_prompt_tokens", "f8"),  # where the server tells it
        ("num_cached_tokens", "f8"),  # of them, in a prefix cache
        ("is_counted", "?"),  # False: nobody told how many outputs; there are as many as messages that carry one
        ("intended", "f8"),
        ("sent", "f8"),
        ("first_output", "f8"),
        ("ended", "f8"),
        *((name, "f8") for name in BACKEND_PHASES),
        ("backend_total", "f8"),
        ("batch_size", "f8"),
    ]
)
# Of streamed calls: the messages that carry outputs, those of one request next to each other and in order.
MESSAGE = np.dtype([("number", "i8"), ("at", "f8"), ("num_outputs", "i4")])

# Of requests whose replies are kept: one message, those of one request in the order in which they came.
REPLY = np.dtype([("number", "i8"), ("size", "i8")])

REPORTED = REQUEST.names[REQUEST.names.index("queue") :] if REQUEST.names else ()


class Use(NamedTuple):
    """What a process used from the warm-up's start to the end of the load, and what it sent in that time."""

    cpu_seconds: float
    wall_seconds: float
    num_requests: int
    is_real_time: bool = False  # scheduled before others, see tandem.measure.generator.priority
    is_compiled: bool = False  # the sender, see tandem.measure.generator.sending


class Record(NamedTuple):
    """What was seen by one process, or by all. Dropped and abandoned requests are counted by workload, not listed."""

    requests: Table
    messages: Table
    lags: NDArray[np.float64]
    num_dropped: NDArray[np.int64]
    num_abandoned: NDArray[np.int64]
    error_texts: Counter[tuple[int, str, str]]
    max_outstanding: int
    uses: tuple[Use, ...]  # of each process
    replies: Table = np.array([], REPLY)
    reply_bytes: NDArray[np.uint8] = np.array([], np.uint8)  # of all `replies`, one behind the other

    def kept(self) -> dict[int, list[bytes]]:
        """Return the reply messages that were kept, by the number of their request."""
        replies: dict[int, list[bytes]] = defaultdict(list)
        raw, begin = self.reply_bytes.tobytes(), 0
        for number, size in self.replies.tolist():
            replies[number].append(raw[begin : begin + size])
            begin += size
        return replies

    def to_bytes(self) -> bytes:
        arrays: dict[str, Any] = {name: each for name, each in self._asdict().items() if isinstance(each, np.ndarray)}
        others = json.dumps((list(self.error_texts.items()), self.max_outstanding, self.uses))
        file = io.BytesIO()
        np.savez(file, others=np.array(others), **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Record:
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            arrays: dict[str, Any] = dict(file)
        texts, most, uses = json.loads(str(arrays.pop("others")))
        counter = Counter({tuple(text): count for text, count in texts})
        return cls(**arrays, error_texts=counter, max_outstanding=most, uses=tuple(Use(*use) for use in uses))


def merge(records: Sequence[Record]) -> Record:
    """Return the records of all processes as if one had seen it all, rows in the order of the requests' numbers."""
    first = records[0]
    return Record(
        requests=_by_number([record.requests for record in records]),
        messages=_by_number([record.messages for record in records]),
        lags=np.concatenate([record.lags for record in records]),
        num_dropped=np.sum([record.num_dropped for record in records], axis=0),
        num_abandoned=np.sum([record.num_abandoned for record in records], axis=0),
        error_texts=sum((record.error_texts for record in records[1:]), first.error_texts),
        # At different instants, so an upper bound.
        max_outstanding=sum(record.max_outstanding for record in records),
        uses=tuple(use for record in records for use in record.uses),
        replies=np.concatenate([record.replies for record in records]),
        reply_bytes=np.concatenate([record.reply_bytes for record in records]),
    )


def _by_number(tables: Sequence[Table]) -> Table:
    whole = np.concatenate(tables)
    return whole[np.argsort(whole["number"], kind="stable")]
