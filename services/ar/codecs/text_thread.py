"""Renders and tokenises one request at a time in a thread of its own; callers take turns.

A long request delays at most one request of each other caller's by its own time, and neither the event loop nor the
engine. The event loop's default executor has no turns: one caller with many requests would delay all others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from runtime.deadlines import Deadline
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from services.common.batching.observer import End
from services.common.batching.request import Slice
from tandem.shared.errors import TandemError

T = TypeVar("T")
Work = Callable[[], object]


@dataclass(frozen=True)
class _Refused:
    error: TandemError


class TextThread:
    """At most `max_queued` requests wait, of one caller `max_queued_of_caller`.

    max_wait_seconds: how long a request may be expected to wait.
    """

    def __init__(self, name: str, max_queued: int, max_queued_of_caller: int, max_wait_seconds: float) -> None:
        limits = BatchLimits(
            max_batch_size=1,
            max_queued=max_queued,
            max_queued_of_caller=max_queued_of_caller,
            max_wait_seconds=max_wait_seconds,
            are_alike=False,  # a short text takes a thousandth of a long one
        )
        self._batcher: Batcher[Work, object] = Batcher(name, [_run], limits, _Unobserved())

    def start(self) -> None:
        self._batcher.start()

    async def stop(self) -> None:
        """Fail the requests that still wait, and end the thread once it has finished its current one."""
        await self._batcher.stop()

    async def wait_dead(self) -> BaseException:
        return await self._batcher.wait_dead()

    def last_progress(self) -> float | None:
        return self._batcher.last_progress()

    async def run(self, work: Callable[[], T], deadline: Deadline, caller: str) -> T:
        """Return what `work` returns, or raise what it raises. Raises ResourceExhausted if too much waits."""
        result = (await self._batcher.submit(work, 1, deadline, caller)).results[0]
        if isinstance(result, _Refused):
            raise result.error
        return cast(T, result)


class _Unobserved:
    """Implements `BatchObserver`: the counts and times of the calls say all there is."""

    def passed(self, batch_size: int, seconds: float) -> None: ...

    def ended(self, outcome: End, num_samples: int) -> None: ...


def _run(batch: Sequence[Slice[Work, object]]) -> list[object]:
    return [_result(one.payload) for one in batch]


def _result(work: Work) -> object:
    try:
        return work()
    except TandemError as error:  # the caller's own fault, which is none of the batcher's
        return _Refused(error.with_traceback(None))  # whose frames hold the request
    except Exception:
        raise
    except BaseException as error:  # the tokenizers library panicked: the text's fault, and not the thread's end
        raise RuntimeError("the tokenizers library panicked") from error
