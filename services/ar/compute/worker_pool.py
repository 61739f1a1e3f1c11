"""Work that threads do while more of it is found: bounded, so that what it needs does not pile up in memory."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

_TASKS_A_THREAD = 4
"""That may wait: enough that no thread is idle while the next ones are found."""

T = TypeVar("T")


class WorkerPool:
    """Calls functions in `num_threads` threads; leaving it waits for all calls, and raises what one of them raised."""

    def __init__(self, num_threads: int) -> None:
        self._threads = ThreadPoolExecutor(num_threads, "packing")
        self._most = num_threads * _TASKS_A_THREAD
        self._open: deque[Future[None]] = deque()

    def add(self, function: Callable[[T], None], arguments: Iterable[T]) -> None:
        """Have the function called for each argument; wait while too many calls are open. Raises what one raised."""
        for argument in arguments:
            self._open.append(self._threads.submit(function, argument))
            if len(self._open) > self._most:
                self._open.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._open and error is None:
                self._open.popleft().result()
        finally:
            self._threads.shutdown(cancel_futures=True)
