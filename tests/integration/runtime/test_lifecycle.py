"""A whole process from start to exit code, driven by signals."""

import asyncio
import os
import signal

import pytest

from runtime.lifecycle import serve
from runtime.server import RpcServer


class Worker:
    """Notes what is asked of it; dies or fails to load on request."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.events: list[str] = []
        self.started = asyncio.Event()
        self.death: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._fails = fails

    async def start(self) -> None:
        if self._fails:
            raise self._fails
        self.events.append("start")
        self.started.set()

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

    async def stop(self, drain_seconds: float) -> None:
        self._worker.events.append(f"drain, serving {self.health.serving}")
        await super().stop(drain_seconds)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_exits_with_zero(number):
    worker = Worker()
    server = Server(worker)
    running = asyncio.create_task(serve(server, worker, 1.0))
    await worker.started.wait()
    os.kill(os.getpid(), number)
    assert await asyncio.wait_for(running, 10) == 0
    assert worker.events[0] == "start"
    assert worker.events[-1] == "stop"
    assert "drain" in worker.events[1]
    assert not server.health.serving


async def test_a_dead_worker_exits_with_one():
    worker = Worker()
    running = asyncio.create_task(serve(Server(worker), worker, 1.0))
    await worker.started.wait()
    worker.death.set_result(RuntimeError("out of order"))
    assert await asyncio.wait_for(running, 10) == 1
    assert worker.events[-1] == "stop"


async def test_what_loading_raises_comes_out_after_a_clean_stop():
    worker = Worker(fails=ValueError("no weights"))
    with pytest.raises(ValueError, match="no weights"):
        await asyncio.wait_for(serve(Server(worker), worker, 1.0), 10)
    assert worker.events == ["drain, serving False", "stop"]
