"""A server process by script: `python -m tests.integration.tandem.cli.servers.fake_process PORT NAME JOURNAL MODE`.

Appends "NAME stopped" to the journal when it ends. Modes: "serve"; "broken" dies before it is ready; "stubborn"
does not end after SIGTERM.
"""

import asyncio
import logging
import signal
import sys
from pathlib import Path

from runtime.process.lifecycle import run_process, serve
from runtime.process.logs import configure_logging
from runtime.server.server import RpcServer
from tandem.shared.models import ModelError

logger = logging.getLogger("fake")


class FakeWorker:
    def __init__(self, is_broken: bool) -> None:
        self._is_broken = is_broken

    async def start(self) -> None:
        logger.info("loading fake: 50 %")
        if self._is_broken:
            raise ModelError("the weights are broken")

    async def wait_dead(self) -> BaseException:
        await asyncio.Event().wait()
        return RuntimeError("unreachable")

    async def stop(self) -> None:
        pass

    def last_progress(self) -> float | None:
        return None


async def main(port: int, is_broken: bool) -> int:
    return await serve(RpcServer("127.0.0.1", port, [], []), FakeWorker(is_broken), 1)


if __name__ == "__main__":
    port, name, journal, mode = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    configure_logging("INFO")
    try:
        run_process(main(port, mode == "broken"))
    finally:
        with journal.open("a") as file:
            file.write(f"{name} stopped\n")
        if mode == "stubborn":
            signal.pause()
