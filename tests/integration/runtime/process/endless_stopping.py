"""A process that never comes to the end of its stop, and says so: `python -m <this module>`."""

import asyncio
import logging

from runtime.process.lifecycle import run_process, serve
from runtime.process.logs import configure_logging
from runtime.server.server import RpcServer

logger = logging.getLogger("endless")


class EndlessWorker:
    async def start(self) -> None:
        pass

    async def wait_dead(self) -> BaseException:
        await asyncio.Event().wait()
        return RuntimeError("unreachable")

    async def stop(self) -> None:
        logger.info("never ends")
        await asyncio.Event().wait()

    def last_progress(self) -> float | None:
        return None


if __name__ == "__main__":
    configure_logging("INFO")
    run_process(serve(RpcServer("127.0.0.1", 0, [], []), EndlessWorker(), 1))
