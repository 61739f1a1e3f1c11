"""A process that loads or stops for ever: `python -m tests.integration.runtime.process.endless [SHELL_WORDS]`.

With SHELL_WORDS its loading thread waits for a shell, which runs them and waits for a child of its own. When the shell
ends, the thread waits for an event that nobody sets. Without them it never comes to the end of its stop, and says so.
"""

import asyncio
import logging
import sys
import threading

from runtime.loading_thread import in_loading_thread
from runtime.process.lifecycle import run_process, serve
from runtime.process.logs import configure_logging
from runtime.server.server import RpcServer
from tandem.shared.process_group import run_in_group

logger = logging.getLogger("endless")


class EndlessWorker:
    def __init__(self, shell_words: str) -> None:
        self._shell_words = shell_words

    async def start(self) -> None:
        if self._shell_words:
            await in_loading_thread(self._load)

    def _load(self) -> None:
        run_in_group(["sh", "-c", f"{self._shell_words}; sleep 1000000 & wait"], 1e6)
        threading.Event().wait()

    async def wait_dead(self) -> BaseException:
        await asyncio.Event().wait()
        return RuntimeError("unreachable")

    async def stop(self) -> None:
        if not self._shell_words:
            logger.info("never ends")
            await asyncio.Event().wait()

    def last_progress(self) -> float | None:
        return None


async def main(shell_words: str) -> int:
    return await serve(RpcServer("127.0.0.1", 0, [], []), EndlessWorker(shell_words), 1)


if __name__ == "__main__":
    configure_logging("INFO")
    run_process(main(" ".join(sys.argv[1:])))
