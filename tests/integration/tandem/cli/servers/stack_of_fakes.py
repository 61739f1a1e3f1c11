"""`tandem up` with fake processes.

`python -m tests.integration.tandem.cli.servers.stack_of_fakes FOLDER RESTARTS MODES`:
RESTARTS is "restarts" if one that dies is started once more. MODES are three of fake_process, for the two
backends and the gateway. Prints "ready" and goes on until a signal.
"""

import asyncio
import sys
from pathlib import Path

from tandem.cli.servers.child import ChildSpec
from tandem.cli.servers.ports import free_ports
from tandem.cli.servers.stack import Stack
from tandem.cli.servers.startup_display import StartupDisplay
from tandem.cli.terminal import Terminal

NAMES = ("sequential", "parallel", "gateway")


def specs(folder: Path, modes: list[str]) -> list[ChildSpec]:
    """Return a child a mode, named in the order of NAMES."""
    return [
        ChildSpec(name, command(port, name, folder, mode), f"127.0.0.1:{port}")
        for port, name, mode in zip(free_ports(len(modes)), NAMES, modes, strict=False)
    ]


def command(port: int, name: str, folder: Path, mode: str) -> tuple[str, ...]:
    module = "tests.integration.tandem.cli.servers.fake_process"
    return (sys.executable, "-m", module, str(port), name, str(folder / "journal"), mode)


async def work() -> int:
    print("ready", flush=True)
    await asyncio.Event().wait()
    return 0


async def main(folder: Path, restarts: bool, modes: list[str]) -> int:
    *backends, gateway = specs(folder, modes)
    display = StartupDisplay(Terminal(), list(NAMES), verbose=False)
    grace_seconds = 1.0 if "stubborn" in modes else 20.0
    return await Stack([backends, [gateway]], folder / "logs", display, grace_seconds, restarts=restarts).run(work)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2] == "restarts", sys.argv[3:])))
