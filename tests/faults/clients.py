"""Well-behaved clients: calls that are timed and noted in a history, and loops bounded in count and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import grpc

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tests.faults.history import History

SEQUENTIAL, PARALLEL = "/tandem.ar.v1.AutoregressiveService", "/tandem.gan.v1.GanService"
GENERATE, COMPLETE, SCORE = f"{SEQUENTIAL}/Generate", f"{SEQUENTIAL}/Complete", f"{SEQUENTIAL}/Score"
SAMPLE, SAMPLE_STREAM, DISCRIMINATE = f"{PARALLEL}/Sample", f"{PARALLEL}/SampleStream", f"{PARALLEL}/Discriminate"
STREAMED = (GENERATE, SAMPLE_STREAM)
REPLIES: dict[str, Callable[[bytes], Any]] = {
    GENERATE: ar_pb2.GenerateResponse.FromString,
    COMPLETE: ar_pb2.CompleteResponse.FromString,
    SCORE: ar_pb2.ScoreResponse.FromString,
    SAMPLE: gan_pb2.SampleResponse.FromString,
    SAMPLE_STREAM: gan_pb2.SampleStreamResponse.FromString,
    DISCRIMINATE: gan_pb2.DiscriminateResponse.FromString,
}
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 20_000),  # how long an attempt may take, in spite of its name
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_retries", 0),
)


@dataclass
class Ended:
    """How one call ended for its client, in seconds since it began; `last` is the last message, if any came."""

    path: str
    code: str = "OK"
    details: str = ""
    seconds: float = 0.0
    ended_at: float = 0.0
    """On the monotonic clock."""
    first_seconds: float | None = None
    num_messages: int = 0
    last: Any = field(default=None, repr=False)
    trailers: tuple[tuple[str, Any], ...] = field(default=(), repr=False)

    @property
    def is_ok(self) -> bool:
        return self.code == "OK"

    @property
    def failure(self) -> str:
        """What it was told, in short."""
        return f"{self.code} {self.details[:200]}"

    @property
    def began_at(self) -> float:
        return self.ended_at - self.seconds


class Client:
    """One connection to a server. Without a history nothing is noted."""

    def __init__(self, address: str, history: History | None = None) -> None:
        self._address = address
        self._history = history

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._address, options=_OPTIONS)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._channel.close()

    async def call(
        self,
        path: str,
        request: Any,
        *,
        timeout_seconds: float | None = None,
        cancel_after_seconds: float | None = None,
        cancel_after_messages: int | None = None,
        on_message: Callable[[], None] = lambda: None,
    ) -> Ended:
        """Make one call to its end and note it; never raises for a status. Each message of a stream calls `on_message`.

        `cancel_after_seconds` and `cancel_after_messages` cancel it then, unless it has ended: its code is CANCELLED.
        """
        ended, began = Ended(path), time.monotonic()
        kind = self._channel.unary_stream if path in STREAMED else self._channel.unary_unary
        call = kind(path, type(request).SerializeToString, REPLIES[path])(request, timeout=timeout_seconds)
        loop = asyncio.get_running_loop()
        timer = None if cancel_after_seconds is None else loop.call_later(cancel_after_seconds, call.cancel)
        try:
            await self._take(call, ended, began, cancel_after_messages, on_message)
        except grpc.aio.AioRpcError as error:
            ended.code, ended.details = error.code().name, error.details() or ""
            ended.trailers = tuple(error.trailing_metadata() or ())
        except asyncio.CancelledError:
            call.cancel()
            ended.code = "CANCELLED"
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
        finally:
            if timer is not None:
                timer.cancel()
            ended.ended_at = time.monotonic()
            ended.seconds = ended.ended_at - began
            self._note(ended, timeout_seconds, call)
        return ended

    async def _take(
        self, call: Any, ended: Ended, began: float, cancel_after_messages: int | None, on_message: Callable[[], None]
    ) -> None:
        if ended.path not in STREAMED:
            ended.last = await call
            ended.num_messages, ended.first_seconds = 1, time.monotonic() - began
            return
        while (message := await call.read()) is not grpc.aio.EOF:
            ended.last, ended.num_messages = message, ended.num_messages + 1
            if ended.first_seconds is None:
                ended.first_seconds = time.monotonic() - began
            on_message()
            if ended.num_messages == cancel_after_messages:
                call.cancel()
                raise asyncio.CancelledError

    def _note(self, ended: Ended, timeout_seconds: float | None, call: Any) -> None:
        if self._history is None:
            return
        is_late = ended.code == "DEADLINE_EXCEEDED" and timeout_seconds is not None
        if is_late or (ended.code == "CANCELLED" and call.cancelled()):
            self._history.note_left(ended.path, ended.num_messages > 0)
        else:
            self._history.note(ended.path, ended.code)


def picture(seed: int = 1, **sampling: Any) -> ar_pb2.GenerateRequest:
    """Return a request for an image in sequence, by class; `sampling` are SamplingParams."""
    return ar_pb2.GenerateRequest(class_label=seed % 10, sampling=ar_pb2.SamplingParams(seed=seed, **sampling))


def images(count: int = 1, seed: int = 1) -> gan_pb2.SampleRequest:
    """Return a request for images in parallel."""
    return gan_pb2.SampleRequest(count=count, seed=seed)


async def closed_loop(
    make: Callable[[int], Awaitable[Ended]],
    *,
    num_callers: int,
    max_calls: int,
    max_seconds: float,
    is_over: Callable[[], bool] = lambda: False,
) -> list[Ended]:
    """Have `num_callers` call one after another, `make(number)` each time, until a bound is met or it is over."""
    until, numbers, results = time.monotonic() + max_seconds, iter(range(max_calls)), list[Ended]()

    async def caller() -> None:
        for number in numbers:
            if time.monotonic() > until or is_over():
                return
            results.append(await make(number))

    await asyncio.gather(*(caller() for _ in range(num_callers)))
    return results


async def open_loop(make: Callable[[int], Awaitable[Ended]], *, per_second: float, max_seconds: float) -> list[Ended]:
    """Begin calls at a steady rate for `max_seconds`, however long each takes; return once all have ended."""
    began, tasks = time.monotonic(), list[asyncio.Task[Ended]]()
    for number in range(int(per_second * max_seconds)):
        delay = began + number / per_second - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        tasks.append(asyncio.ensure_future(make(number)))
    return list(await asyncio.gather(*tasks))


def quantile(values: list[float], q: float) -> float:
    """Return the exact quantile, nearest rank; 0 of nothing."""
    return sorted(values)[min(len(values) - 1, int(q * len(values)))] if values else 0.0
