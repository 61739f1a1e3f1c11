"""A whole process from start to exit code, driven by signals."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runtime.process.lifecycle import run_process, serve
from runtime.server.server import PortInUse, RpcServer
from tandem.shared.errors import ExpectedError
from tests.alive_pipe import alive_pipe

LIMIT_SECONDS = 60
SIGNALS = [signal.SIGTERM, signal.SIGINT]


class Worker:
    """Notes what is asked of it; dies, fails to load or loads for ever on request."""

    def __init__(self, fails: Exception | None = None, is_endless: bool = False) -> None:
        self.events: list[str] = []
        self.started = asyncio.Event()
        self.death: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._fails = fails
        self._is_endless = is_endless

    async def start(self) -> None:
        if self._fails:
            raise self._fails
        self.events.append("start")
        self.started.set()
        if self._is_endless:
            await asyncio.Event().wait()

    async def wait_dead(self) -> BaseException:
        return await asyncio.shield(self.death)

    async def stop(self) -> None:
        self.events.append("stop")

    def last_progress(self) -> float | None:
        return None


class Server(RpcServer):
    """A server that notes the order of its own stop among the worker's events."""

    def __init__(self, worker: Worker) -> None:
        super().__init__("127.0.0.1", 0, [], [])
        self._worker = worker
        self.drained_seconds: float | None = None

    async def stop(self, drain_seconds: float) -> None:
        self.drained_seconds = drain_seconds
        self._worker.events.append(f"drain, serving {self.health.serving}")
        await super().stop(drain_seconds)


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_drains_and_exits_with_zero(number):
    worker = Worker()
    server = Server(worker)
    running = asyncio.create_task(serve(server, worker, 1.0))
    await worker.started.wait()
    os.kill(os.getpid(), number)
    assert await asyncio.wait_for(running, 60) == 0
    assert worker.events[0] == "start"
    assert worker.events[-1] == "stop"
    assert "drain" in worker.events[1]
    assert not server.health.serving


async def test_a_dead_worker_exits_with_one():
    worker = Worker()
    running = asyncio.create_task(serve(Server(worker), worker, 1.0))
    await worker.started.wait()
    worker.death.set_result(RuntimeError("out of order"))
    assert await asyncio.wait_for(running, 60) == 1
    assert worker.events[-1] == "stop"


async def test_what_loading_raises_comes_out_after_a_clean_stop():
    worker = Worker(fails=ValueError("no weights"))
    server = Server(worker)
    with pytest.raises(ValueError, match="no weights"):
        await asyncio.wait_for(serve(server, worker, 1.0), 60)
    assert worker.events == ["drain, serving False", "stop"]
    assert server.drained_seconds == 0, "calls that are open have nothing to wait for"


@asynccontextmanager
async def endless(*shell_words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process that loads or stops for ever."""
    command = (sys.executable, "-m", "tests.integration.runtime.process.endless", *shell_words)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_process_that_loads_for_ever_ends_at_a_signal_with_what_it_started(tmp_path, number):
    """Its thread never ends, nor does the child that it waits for: only the signal can end both."""
    with alive_pipe(tmp_path) as pipe:
        async with endless(pipe.shell_words) as process:
            assert await asyncio.to_thread(pipe.has_writers)
            process.send_signal(number)
            _, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()
            assert "stopping before everything was loaded" in errors.decode()
            assert "Traceback" not in errors.decode()
            assert not await asyncio.to_thread(pipe.has_writers)


@pytest.mark.parametrize("second", SIGNALS)
@pytest.mark.parametrize("first", SIGNALS)
async def test_a_second_signal_ends_a_process_that_is_stopping(first, second):
    async with endless() as process:
        assert process.stderr is not None
        for number, line in ((first, b"serving on port"), (second, b"never ends")):
            while line not in (logged := await process.stderr.readline()):
                assert logged, "it has ended"
            process.send_signal(number)
        rest = await process.stderr.read()
        assert (await process.wait(), rest) == (-second, b"")


@pytest.mark.parametrize("error", [PortInUse("taken"), ExpectedError("taken")])
def test_an_expected_error_at_the_start_is_one_line(error):
    with pytest.raises(SystemExit) as ended:
        run_process(_raising(error))
    assert ended.value.code == "error: taken"


async def _raising(error: Exception) -> int:
    raise error
