"""The engine: a thread that repeats schedule -> run -> commit, and a mailbox through which requests reach it.

The thread owns scheduler and runner; coroutines own the streams. Between them go commands one way and progress the
other, once a step. Knows nothing of text, protobuf or gRPC.

A fault ends as little as possible. What raises while one sequence is handled fails that sequence's request; a step that
raises is run again in halves until the guilty sequences are found; what an observer raises is logged. The engine dies,
and with it all that is in flight, only if its own state is damaged or nothing at all can be computed any more.
"""

import asyncio
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal, Protocol

from runtime.deadlines import Deadline
from runtime.process.loop_calls import LoopCalls
from services.ar.engine.admission import Admission, AdmissionLimits, Run
from services.ar.engine.request_stream import Gathering, RequestStream
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Progress, StepResult, Work, run_isolated
from tandem.shared.errors import DeadlineExceeded, Internal, TandemError

logger = logging.getLogger(__name__)

Outcome = Literal["finished", "cancelled", "failed"]

# Counting the blocks takes the lock from a reader who has just got its last token, so it is not done each time.
_CHECK_EVERY_SECONDS = 1.0


class StepRunner(Protocol):
    """Computes a step: for each work its tokens, or why there are none."""

    def start(self) -> None:
        """Called once, in the thread that will call `run`, before the first step."""

    def run(self, batch: list[Work], on_computing: Callable[[], object] = lambda: None) -> list[StepResult]:
        """Compute the batch; call `on_computing` right before. It may be called again with a part after it raised."""


class EngineObserver(Protocol):
    """Told of each step, from the engine's thread, and of each sequence's end, from the event loop.

    What its methods raise is logged and ends no request.
    """

    def stepped(self, batch: list[Work], seconds: float) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...


class Engine:
    """Generates for many requests at a time. `start` and all methods but the thread's own run on the event loop."""

    def __init__(
        self, scheduler: Scheduler, runner: StepRunner, observer: EngineObserver, limits: AdmissionLimits
    ) -> None:
        self._scheduler = scheduler
        self._runner = runner
        self._observer = observer
        self._admission = Admission(limits)
        self._streams: dict[int, RequestStream] = {}  # by id of an open sequence
        self._mailbox: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._died: asyncio.Future[BaseException] | None = None
        self._loop_calls: LoopCalls | None = None
        self._last_progress = time.monotonic()
        self._checked_at = -math.inf
        self._others_wait = False  # for a place in the last step
        self._gathering = Gathering()
        self._due: list[Progress] = []  # since the last step

    def start(self) -> None:
        self._died = asyncio.get_running_loop().create_future()
        self._loop_calls = LoopCalls()
        self._thread.start()

    async def stop(self) -> None:
        """End the thread after the step in hand; requests still open fail."""
        if self._thread.is_alive():
            self._mailbox.put(None)
            await asyncio.to_thread(self._thread.join)
        if self._loop_calls is not None:
            self._loop_calls.close()
        self._close()

    async def wait_dead(self) -> BaseException:
        """Return the exception that ended the thread; by then every open request has failed."""
        assert self._died is not None, "not started"  # noqa: S101
        return await asyncio.shield(self._died)

    def last_progress(self) -> float | None:
        return self._last_progress if self._streams else None

    @property
    def max_num_sequences(self) -> int:
        """Sequences that run at a time."""
        return self._scheduler.max_num_sequences

    @contextmanager
    def running(self, sequences: list[Sequence], deadline: Deadline | None) -> Iterator[RequestStream]:
        """Submit the sequences; those still open at the end, however it comes, are cancelled."""
        stream = self.submit(sequences, deadline)
        try:
            yield stream
        finally:
            for sequence in stream.open_sequences():
                self.end(sequence, "cancelled")

    async def wait_for_room(self, caller: str, num_sequences: int) -> None:
        """Return when `submit` has room for `num_sequences` more of a request that has begun; see `WaitingLine`."""
        await self._admission.line.wait(caller, num_sequences)

    def submit(self, sequences: list[Sequence], deadline: Deadline | None = None) -> RequestStream:
        """Queue the sequences of one request, all of one caller; without a deadline they are the rest of one.

        Raises ResourceExhausted, with nothing queued, if they don't fit or would begin too late; see `Admission.check`.
        """
        if self._died is None or self._died.done():
            raise Internal
        caller, count = sequences[0].caller, len(sequences)
        max_tokens = max(0 if each.is_scored else each.params.max_tokens for each in sequences)
        self._admission.check(caller, count, deadline, max_tokens)
        if not self._streams:
            self._last_progress = time.monotonic()
        if deadline is not None:
            latest_start = self._admission.latest_start(caller, count, deadline)
            for sequence in sequences:
                sequence.latest_start = latest_start
        stream = RequestStream(sequences)
        self._admission.opened(caller, count, is_begun=deadline is None)
        for sequence in sequences:
            self._streams[id(sequence)] = stream
            self._mailbox.put(partial(self._scheduler.add, sequence))
        return stream

    def end(self, sequence: Sequence, outcome: Literal["finished", "cancelled"]) -> None:
        """Want nothing more of a sequence; its blocks are free before the next step. No effect if it has ended."""
        stream = self._streams.get(id(sequence))
        if stream is not None:
            stream.close(sequence)
            self._mailbox.put(partial(self._drop, sequence))
            self._leave(sequence, outcome)

    def _leave(self, sequence: Sequence, outcome: Outcome) -> None:
        """End a sequence; no other code does."""
        del self._streams[id(sequence)]
        started = sequence.scheduled_at
        run = None
        if started is not None:
            seconds, num_running = time.monotonic() - started, max(1, self._scheduler.num_running)
            run = Run(seconds, max(1, sequence.num_output_tokens), num_running)
        self._admission.ended(sequence.caller, run, is_whole=outcome == "finished", others_wait=self._others_wait)
        with _log_faults("the engine's observer failed"):
            self._observer.ended(outcome)

    def _loop(self) -> None:
        try:
            self._runner.start()
            while self._take_commands():
                self._step()
        except BaseException as error:  # of any kind: no reader may wait for ever
            logger.critical("the engine's thread died", exc_info=error)
            self._on_event_loop(self._die, error)

    def _take_commands(self) -> bool:
        """Obey all queued commands, waiting until there is work; return False after a command to stop."""
        while not self._scheduler.has_work or not self._mailbox.empty():
            if not self._scheduler.has_work:
                self._hand_over()
                if self._last_progress >= self._checked_at + _CHECK_EVERY_SECONDS:
                    self._checked_at = self._last_progress
                    self._scheduler.check_integrity()
            command = self._mailbox.get()
            if command is None:
                self._hand_over()
                return False
            command()
        return True

    def _drop(self, sequence: Sequence) -> None:
        self._scheduler.remove(sequence)
        self._gathering.drop(sequence)

    def _step(self) -> None:
        started = time.monotonic()
        if late := self._scheduler.drop_late(started):
            why = "before the work could be done"
            self._on_event_loop(self._deliver, [Progress(one, [], None, DeadlineExceeded(why)) for one in late])
        batch = self._scheduler.schedule()
        self._others_wait = self._scheduler.num_waiting > 0
        for work in batch:
            _note_step(work.sequence, len(batch), started)
        results = run_isolated(partial(self._runner.run, on_computing=self._hand_over), batch) if batch else []
        self._hand_over()
        progress = self._scheduler.commit(batch, results)
        ended = time.monotonic()
        if any(item.error is not None for item in progress):
            self._check_after_fault(results)
        with _log_faults("the engine's observer failed"):
            self._observer.stepped(batch, ended - started)
        self._last_progress = ended
        self._due = self._gathering.add(progress, ended)

    def _hand_over(self) -> None:
        """Give the event loop what is due after the last step, unless it has it.

        When the next step is about to be computed, not before: while the kernel computes, the interpreter's lock is the
        event loop's. Had it the lock sooner, the kernel would wait for it, as each mask that is made lets go of it.
        """
        due, self._due = self._due, []
        if due:
            self._on_event_loop(self._deliver, due)

    def _check_after_fault(self, results: list[StepResult]) -> None:
        """Raise if the fault was more than a sequence's own.

        Blocks must still be accounted for, and if no work of the step succeeded, a step of one token must.
        """
        self._scheduler.check_integrity()
        if all(isinstance(result, Exception) for result in results):
            with self._scheduler.probe() as batch:
                self._runner.run(batch)

    def _on_event_loop(self, function: Callable[..., None], *arguments: object) -> None:
        assert self._loop_calls is not None  # noqa: S101
        self._loop_calls.call(function, *arguments)

    def _deliver(self, due: list[Progress]) -> None:
        for item in due:
            stream = self._streams.get(id(item.sequence))
            if stream is None:
                continue  # ended while the step ran
            if item.error is None:
                stream.put(item)
            else:  # the request's end: what else it has is of no use
                stream.fail(item.error if isinstance(item.error, TandemError) else Internal())
            if item.is_last:
                self._leave(item.sequence, _outcome(item.error))

    def _die(self, error: BaseException) -> None:
        self._close()
        if self._died is not None and not self._died.done():
            self._died.set_result(error)

    def _close(self) -> None:
        """Fail all open requests, and end the waits for room."""
        error = Internal()
        for stream in set(self._streams.values()):
            stream.fail(error)
            for sequence in stream.open_sequences():
                if id(sequence) in self._streams:  # else it has failed before, alone
                    self._leave(sequence, "failed")
        self._admission.line.close()


def _outcome(error: Exception | None) -> Outcome:
    if error is None:
        return "finished"
    return "cancelled" if isinstance(error, DeadlineExceeded) else "failed"


@contextmanager
def _log_faults(what: str) -> Iterator[None]:
    """Log what is raised, and go on."""
    try:
        yield
    except Exception:
        logger.exception(what)


def _note_step(sequence: Sequence, batch_size: int, started: float) -> None:
    if sequence.scheduled_at is None:
        sequence.scheduled_at = started
    sequence.num_steps += 1
    sequence.sum_batch_sizes += batch_size
