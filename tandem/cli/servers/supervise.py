"""Running a stack under a person's hand: Ctrl-C stops it in order, a second one at once, a dead child is explained."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from tandem.cli.failures import FAILED
from tandem.cli.packages import SERVER_PACKAGES, need_packages
from tandem.cli.servers.log_lines import readable
from tandem.cli.servers.plan import Plan
from tandem.cli.servers.stack import ChildDied, Stack
from tandem.cli.servers.startup_display import StartupDisplay
from tandem.cli.terminal import Terminal

LOG_FOLDER = Path("out/logs")
KILL_AFTER_SECONDS = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Work = Callable[[], Awaitable[int]]


def run_plan(plan: Plan, terminal: Terminal, verbose: bool, work: Work, *, restarts: bool) -> int:
    """Run the plan's processes and, once they are ready, `work`; return the exit code.

    `restarts`: whether one that dies later is started again, once. A stop signal ends `work` by cancelling it. Raises
    PortTaken, ModelError if weights are not to be had, ValueError if only a client is installed.
    """
    need_packages("servers", *SERVER_PACKAGES)
    plan.ports.check()
    plan.fetch_weights(terminal.note)
    layers = plan.layers()
    names = [spec.name for layer in layers for spec in layer]
    display = StartupDisplay(terminal, names, verbose)
    stack = Stack(layers, LOG_FOLDER, display, plan.drain_seconds + KILL_AFTER_SECONDS, restarts=restarts)
    return asyncio.run(run_stack(stack, display, terminal, work))


async def run_stack(stack: Stack, display: StartupDisplay, terminal: Terminal, work: Work) -> int:
    """Run a stack to its end; 0 if a signal ended it before `work` did, 1 if a child died for good."""
    stop_requested = asyncio.Event()
    display.start()
    try:
        with _signals(stop_requested, stack, terminal):
            return await stack.run(work, stop_requested)
    except ChildDied as death:
        terminal.fail(str(death))
        for line in death.child.tail:
            terminal.note(f"  {readable(line)}")
        return FAILED
    finally:
        display.stop()


@contextlib.contextmanager
def _signals(stop_requested: asyncio.Event, stack: Stack, terminal: Terminal) -> Iterator[None]:
    """The first stop signal sets the event, the next ones kill."""
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop_requested.is_set():
            stack.kill()
        elif number != signal.SIGINT:  # who pressed Ctrl-C knows it
            terminal.note(f"{number.name}: stopping")
        stop_requested.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
