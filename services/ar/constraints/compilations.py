"""Compiles constraints one at a time in a thread of its own; callers take turns.

A constraint that takes long keeps those of other callers waiting for itself alone, and neither the event loop nor the
engine. Nothing is kept of it but what its own request holds: there is no cache to fill.
"""

import asyncio
import math
from collections.abc import Sequence

from runtime.deadlines import Deadline
from services.ar.constraints.compiler import Compiled, Compiler
from services.ar.constraints.constraint import Constraint
from services.ar.constraints.grammar_mask import GrammarMask
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from services.common.batching.observer import BatchObserver
from services.common.batching.request import Slice
from services.common.memory import Memory

MAX_QUEUED = 256


class Compilations:
    """Owns the compiler.

    max_caller_share: of the places in the queue, what one caller may hold. max_wait_seconds: how long a
    constraint may be expected to wait. memory: what the grammars of all open requests share.
    """

    def __init__(
        self,
        name: str,
        compiler: Compiler,
        observer: BatchObserver,
        max_caller_share: float,
        max_wait_seconds: float,
        memory: Memory,
    ) -> None:
        self._compiler = compiler
        self._memory = memory
        limits = BatchLimits(
            max_batch_size=1,
            max_queued=MAX_QUEUED,
            max_queued_of_caller=max(1, math.floor(max_caller_share * MAX_QUEUED)),
            max_wait_seconds=max_wait_seconds,
            are_alike=False,  # most take a thousandth of what the worst may
        )
        self._batcher: Batcher[Constraint, Compiled] = Batcher(name, [self._run], limits, observer)

    def start(self) -> None:
        self._batcher.start()

    async def stop(self) -> None:
        """Fail the requests that still wait, and end the compiler once it has finished its current constraint."""
        await self._batcher.stop()
        await asyncio.to_thread(self._compiler.close)

    async def wait_dead(self) -> BaseException:
        return await self._batcher.wait_dead()

    def last_progress(self) -> float | None:
        return self._batcher.last_progress()

    async def masks(self, constraint: Constraint, count: int, deadline: Deadline, caller: str) -> list[GrammarMask]:
        """Return masks for so many sequences of one request.

        Raises InvalidArgument if there is no such grammar, TooComplex if it goes beyond what one request may take,
        ResourceExhausted if too many wait, or are open.
        """
        room = self._memory.room(caller)
        try:
            return (await self._batcher.submit(constraint, 1, deadline, caller)).results[0].masks(count, room)
        except BaseException:
            room.give_back()  # now: the error may hold it for long
            raise

    def _run(self, batch: Sequence[Slice[Constraint, Compiled]]) -> list[Compiled]:
        return [self._compiler.compile(one.payload) for one in batch]
