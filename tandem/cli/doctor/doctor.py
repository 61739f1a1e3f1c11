"""`tandem doctor`: what this machine offers, and what prevents serving."""

from collections.abc import Callable, Iterable

from rich.table import Table
from rich.text import Text

from tandem.cli.doctor import findings
from tandem.cli.doctor.findings import Finding
from tandem.cli.failures import friendly_errors
from tandem.cli.options import MODELS_DIR, ModelsDir
from tandem.cli.terminal import Terminal

_MARKS = {True: Text("✓", "green"), False: Text("✗", "red"), None: Text("·", "dim")}


def doctor(models_dir: ModelsDir = MODELS_DIR) -> None:
    """Say what this machine offers: processor, memory, libraries, runtimes that really run, ports, models."""
    terminal = Terminal()
    sections: dict[str, Callable[[], Iterable[Finding]]] = {
        "machine": findings.machine,
        "libraries": findings.libraries,
        "ports": findings.ports,
        "models": lambda: findings.models(models_dir),
        "calibrations": lambda: findings.calibrations(models_dir),
    }
    unwell: list[str] = []
    with friendly_errors(terminal):
        for name, find in sections.items():
            with terminal.working(f"looking at {name}"):
                found = list(find())
            terminal.out.print(Text(name, style="bold"))
            table = Table.grid(padding=(0, 2))
            for finding in found:
                table.add_row("", _MARKS[finding.is_well], finding.name, Text(finding.value, overflow="fold"))
            terminal.out.print(table)
            unwell += [f"{finding.name} ({finding.value})" for finding in found if finding.is_well is False]
        terminal.out.print(Text("verdict", style="bold"))
        ready = "Everything is ready: `tandem up` serves all models that are here."
        verdict = f"To be looked at: {'; '.join(unwell)}." if unwell else ready
        terminal.out.print(f"  {verdict}", markup=False)
