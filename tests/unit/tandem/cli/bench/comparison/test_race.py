"""What is seen while a race runs."""

from rich.console import Console

from tandem.cli.bench.comparison.race import RaceDisplay
from tandem.cli.terminal import Terminal
from tests.unit.tandem.measure.studies.comparison.seen import round_of

TIMES = {"sequential_streamed": 0.1, "sequential_unary": 0.08, "parallel_streamed": 0.004, "parallel_unary": 0.002}


def shown(what: object, width: int = 120) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def test_the_display_shows_both_pictures_and_medians() -> None:
    display = RaceDisplay(Terminal(), num_rounds=5)
    display.round_done(round_of(0, **TIMES))
    text = shown(display.drawn(round_of(1, **TIMES)))
    for part in ("in sequence, 80 ms", "in parallel, 2 ms", "round 1 of 5"):
        assert part in text
