"""What a person sees of the processes: a line each while they load, deaths and restarts, and their logs if wanted."""

import json
import re
import time
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from tandem.cli.terminal import Terminal
from tandem.measure import formats

MESSAGE_COLUMNS = 44
_SHARE = re.compile(r"(\d{1,3}) ?%")


class StartupDisplay:
    """Bars on a terminal, plain lines elsewhere; `verbose` shows each log line too."""

    def __init__(self, terminal: Terminal, names: list[str], verbose: bool) -> None:
        self.terminal = terminal
        self._console = terminal.err
        self._verbose = verbose
        self._started = time.monotonic()
        self._died_at: dict[str, float] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[message]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {
            name: self._progress.add_task(name, total=None, message="starting") for name in names
        }
        self._loading = set(names)

    def start(self) -> None:
        """Begin to draw."""
        self._progress.start()

    def stop(self) -> None:
        """End drawing; lines from now on are plain."""
        self._progress.stop()

    def logged(self, name: str, line: str) -> None:
        if self._verbose:
            self._print(f"[cyan]{name:<11}[/cyan] {escape(readable(line))}")
        if name in self._loading and line.strip():
            text = str(_parse(line).get("message", line)).strip()
            share = _SHARE.search(text)  # as in "loading x: 40 %"
            total, completed = (None, 0.0) if share is None else (1.0, min(int(share[1]) / 100, 0.99))
            self._progress.update(self._tasks[name], message=text[:MESSAGE_COLUMNS], total=total, completed=completed)

    def unwritten(self, name: str, log_path: Path, error: OSError) -> None:
        self._print(f"{name}: its log cannot be written to {escape(str(log_path))}: {escape(error.strerror or '')}")

    def slow(self, name: str, log_path: Path) -> None:
        self._print(
            f"{name}: not ready yet; its log is in {escape(str(log_path))}. If it serves with TLS, TANDEM_CLIENT_CA"
            " must name its CA"
        )

    def ready(self, name: str) -> None:
        self._loading.discard(name)
        self._progress.update(self._tasks[name], message="ready", total=1.0, completed=1.0)
        if not self._console.is_terminal:
            self._print(f"{name}: ready after {formats.seconds(time.monotonic() - self._started)}")
        if not self._loading:
            self.stop()

    def starting_again(self, name: str, code: int, log_path: Path) -> None:
        self._print(
            f"[bold]{name}: ended by itself ({how_it_ended(code)})[/bold], is started once more; its log is in"
            f" {escape(str(log_path))}"
        )
        self._died_at[name] = time.monotonic()

    def ready_again(self, name: str) -> None:
        self._print(
            f"{name}: ready again, {formats.seconds(time.monotonic() - self._died_at[name])} after it had ended"
        )

    def stopped(self, name: str) -> None:
        self._print(f"[dim]{name}: stopped[/dim]")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def how_it_ended(code: int) -> str:
    """Return an exit code in words; a negative one is a signal's number."""
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def readable(line: str) -> str:
    """Return a server's log line as "HH:MM:SS LEVEL message", with the last line of an exception; as it is if it is not
    JSON.
    """
    if not (entry := _parse(line)):
        return line
    text = f"{str(entry.get('time', ''))[11:19]} {entry.get('level', ''):<7} {entry['message']}"
    exception = str(entry.get("exception", "")).strip()
    return f"{text}: {exception.splitlines()[-1]}" if exception else text


def _parse(line: str) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and "message" in entry else {}
