"""How far a run is, on a terminal; elsewhere nothing is shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from tandem.cli.terminal import Terminal
from tandem.measure.generator.workers import Progress as Counts
from tandem.measure.scenario import Scenario


@contextmanager
def shown_progress(terminal: Terminal, scenario: Scenario) -> Iterator[Callable[[Counts], None]]:
    """Yield what takes the counts as they come."""
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with terminal.progress(*columns) as progress:
        task = progress.add_task("warm-up", total=1.0, counts="")

        def show(counts: Counts) -> None:
            done = _share_done(scenario, counts)
            name = "warm-up" if counts.elapsed_seconds < 0.0 else "measuring" if done < 1.0 else "draining"
            progress.update(task, completed=done, description=name, counts=_text(counts.counts))

        yield show


def _share_done(scenario: Scenario, counts: Counts) -> float:
    """Return how much of the run, warm-up included, is done: by time or by number, whichever is further."""
    shares = [0.0]
    if scenario.duration_seconds is not None:
        whole = scenario.warm_up_seconds + scenario.duration_seconds
        shares.append((counts.elapsed_seconds + scenario.warm_up_seconds) / whole)
    if counts.num_planned:
        ended = sum(number for name, number in counts.counts.items() if name != "outstanding")
        shares.append(ended / counts.num_planned)
    return min(1.0, max(shares))


def _text(counts: dict[str, int]) -> str:
    """Return what is not zero, and how many went well."""
    shown = {name: number for name, number in counts.items() if number or name == "ok"}
    return " · ".join(f"{number:,} {name}" for name, number in shown.items())
