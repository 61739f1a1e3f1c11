"""From start to exit code: bind, load, serve until a signal or a dead worker, drain, stop.

bind (NOT_SERVING) -> load and warm -> SERVING -> signal -> NOT_SERVING -> drain -> cancel -> stop the worker
                   \\-> signal: exit 0 at once  \\-> worker died: fail what is in flight, NOT_SERVING, exit 1
"""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, NoReturn, Protocol, TypeVar

import uvloop

from runtime.loading_thread import LoadingThread
from runtime.server.server import PortInUse, RpcServer
from tandem.shared.errors import EXPECTED, TandemError
from tandem.shared.process_group import kill_children

logger = logging.getLogger(__name__)

STALL_SECONDS = 30.0
# What a thread that loads gets to remove its temporary files, once the processes that it waited for are killed.
_TIDY_SECONDS = 0.2
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# Requests leave next to no cycles, and to look for them every 700 objects, as is the default, took 6 us a request.
SERVING_THRESHOLD = 10_000
_ENOUGH_FILES = 1 << 20

T = TypeVar("T")


class StoppedWhileLoading(Exception):
    """Expected: a stop signal came before the worker was ready. Its threads may go on; `run_process` ends them."""


class Worker(Protocol):
    """The part of a process that does the work behind the server."""

    async def start(self) -> None:
        """Load and warm up; return when ready for requests."""

    async def wait_dead(self) -> BaseException:
        """Return the reason if the worker dies of itself, after it has failed all that was in flight."""

    async def stop(self) -> None:
        """End the worker; called once, after the last request has ended."""

    def last_progress(self) -> float | None:
        """Return when work last moved (monotonic seconds), or None when there is none."""


async def serve(server: RpcServer, worker: Worker, drain_seconds: float) -> int:
    """Run the process to its end and return its exit code.

    Raises PortInUse, StoppedWhileLoading, or what loading raises; the server is stopped by then.
    """
    with _stop_signal() as stop_requested:
        await _start(server, stop_requested)
        await _load(server, worker, stop_requested)
        async with _stopping(server, worker, drain_seconds):
            if stop_requested.is_set():
                return 0
            await server.health.set_serving(True)
            logger.info("serving on port %d", server.port)
            with collect_garbage_seldom():
                return await _serve_until_end(server, worker, stop_requested)


async def _start(server: RpcServer, stop_requested: asyncio.Event) -> None:
    """Bind; what serves may have to be compiled first."""
    starting = await _until(stop_requested, server.start())
    if starting is None:
        await server.stop(0)
        raise StoppedWhileLoading
    starting.result()


async def _load(server: RpcServer, worker: Worker, stop_requested: asyncio.Event) -> None:
    try:
        loading = await _until(stop_requested, worker.start())
        if loading is None:
            raise StoppedWhileLoading
        loading.result()
    except BaseException:
        async with _stopping(server, worker, 0):  # calls that are open now have nothing to wait for
            raise


async def _serve_until_end(server: RpcServer, worker: Worker, stop_requested: asyncio.Event) -> int:
    watch = asyncio.create_task(server.health.watch_progress(worker.last_progress, STALL_SECONDS))
    try:
        death = await _until(stop_requested, worker.wait_dead())
    finally:
        watch.cancel()
    if death is None:
        logger.info("stopping")
        return 0
    logger.critical("the worker died", exc_info=death.result())
    return 1


@contextlib.asynccontextmanager
async def _stopping(server: RpcServer, worker: Worker, drain_seconds: float) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await server.stop(drain_seconds)
        await worker.stop()


async def _until(event: asyncio.Event, work: Coroutine[Any, Any, T]) -> asyncio.Task[T] | None:
    """Return `work` as a task that is done, or None if `event` comes first; `work` is then cancelled."""
    task, stop = asyncio.create_task(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        return task if task.done() else None
    finally:
        task.cancel()
        stop.cancel()


@contextlib.contextmanager
def _stop_signal() -> Any:
    """Yield an event that SIGINT or SIGTERM sets; a second signal, of either kind, ends the process at once."""
    loop = asyncio.get_running_loop()
    requested = asyncio.Event()

    def on_signal() -> None:
        requested.set()
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # no KeyboardInterrupt, after which the loop would clean up

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield requested
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def run_process(main: Coroutine[Any, Any, int]) -> None:
    """Run `main` on a fast event loop and exit with its code; expected start-up errors are one line each.

    Any other exception keeps its traceback.
    """
    raise_file_limit()
    try:
        sys.exit(uvloop.run(main))
    except StoppedWhileLoading:
        logger.info("stopping before everything was loaded")
        end_now(0)
    except (PortInUse, TandemError, *EXPECTED) as error:
        sys.exit(f"error: {error}")


def end_now(code: int) -> NoReturn:
    """End with this exit code, without the threads that load and without the processes that they have started.

    A thread in native code cannot be interrupted. The interpreter must not be taken apart under it either, for torch's
    and the kernel's threads would crash in destructors that run beside them: so the process ends as it stands.
    """
    try:
        kill_children()
        for thread in threading.enumerate():
            if isinstance(thread, LoadingThread):
                thread.join(_TIDY_SECONDS)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


@contextlib.contextmanager
def collect_garbage_seldom() -> Iterator[None]:
    """Until the block ends, let Python's garbage collector run seldom and skip all objects that exist now.

    Those live as long as the process. The collector may have been off while they were made.
    """
    before, was_on = gc.get_threshold(), gc.isenabled()
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(SERVING_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not was_on:
            gc.disable()
        gc.unfreeze()


def raise_file_limit() -> int:
    """Raise the soft limit of open files, sockets included, as far as allowed; return it. Shells often set 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):  # macOS allows less than its hard limit says
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else soft
