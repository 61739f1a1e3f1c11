"""Fake processes; `python -m tests.integration.tandem.cli.servers.stack_of_fakes FOLDER` runs three until a signal."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tandem.cli.servers.child import ChildSpec
from tandem.cli.servers.ports import free_ports
from tandem.cli.servers.stack import Stack
from tandem.cli.servers.startup_display import StartupDisplay
from tandem.cli.terminal import Terminal

NAMES = ("sequential", "parallel", "gateway")


def specs(folder: Path, modes: Sequence[str]) -> list[ChildSpec]:
    """Return a child a mode of fake_process, named in the order of NAMES."""
    module, journal = "tests.integration.tandem.cli.servers.fake_process", str(folder / "journal")
    return [
        ChildSpec(name, (sys.executable, "-m", module, str(port), name, journal, mode), f"127.0.0.1:{port}")
        for port, name, mode in zip(free_ports(len(modes)), NAMES, modes, strict=False)
    ]


async def work() -> int:
    print("ready", flush=True)
    await asyncio.Event().wait()
    return 0


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    display = StartupDisplay(Terminal(), list(NAMES), verbose=False)
    stack = Stack([specs(folder, ["serve"] * 3)], folder / "logs", display, 20.0, restarts=False)
    sys.exit(asyncio.run(stack.run(work)))
