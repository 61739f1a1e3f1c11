"""A thread that does one piece of work at a time; callers take turns.

A long request delays at most one request of each other caller's by its own time, and neither the event loop nor a
model. The event loop's default executor has no turns: one caller with many requests would delay all others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from runtime.deadlines import Deadline
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from services.common.batching.request import BatchObserver, Slice
from tandem.shared.errors import TandemError

T = TypeVar("T")
Work = Callable[[], object]


@dataclass(frozen=True)
class _Refused:
    error: TandemError


class WorkThread(Batcher[Work, object]):
    """At most `max_queued` requests wait, of one caller `max_queued_of_caller`.

    max_wait_seconds: how long a request may be expected to wait.
    """

    def __init__(
        self,
        name: str,
        max_queued: int,
        max_queued_of_caller: int,
        max_wait_seconds: float,
        observer: BatchObserver | None = None,
    ) -> None:
        limits = BatchLimits(
            max_batch_size=1,
            max_queued=max_queued,
            max_queued_of_caller=max_queued_of_caller,
            max_wait_seconds=max_wait_seconds,
            are_alike=False,  # most take a thousandth of what the worst may
        )
        super().__init__(name, [_run], limits, observer)

    async def run(self, work: Callable[[], T], deadline: Deadline, caller: str) -> T:
        """Return what `work` returns, or raise what it raises. Raises ResourceExhausted if too much waits."""
        result = (await self.submit(work, 1, deadline, caller)).results[0]
        if isinstance(result, _Refused):
            try:
                raise result.error
            finally:
                del result  # the traceback has this frame: a cycle, which would stay for the garbage collector
        return cast(T, result)


def _run(batch: Sequence[Slice[Work, object]]) -> list[object]:
    return [_result(one.payload) for one in batch]


def _result(work: Work) -> object:
    try:
        return work()
    except TandemError as error:  # the caller's own fault, which is none of the batcher's
        return _Refused(error.with_traceback(None))  # whose frames hold the request
    except Exception:
        raise
    except BaseException as error:  # a library panicked: the request's fault, and not the thread's end
        raise RuntimeError("a library panicked") from error
