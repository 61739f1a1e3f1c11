"""What is seen while a race runs."""

import io

import numpy as np
import pytest
from rich.console import Console

from tandem.cli.bench.comparison.race import RaceDisplay
from tandem.cli.terminal import Terminal
from tests.unit.tandem.measure.studies.comparison.seen import MODES


def test_the_display_shows_the_newest_pictures_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(terminal, "out", Console(force_terminal=True, width=80, file=io.StringIO()))
    display = RaceDisplay(terminal)
    for name in ("sequential unary", "parallel unary"):
        display.trial_done(MODES[name], np.zeros((4, 4, 1), np.uint8))
    display.trial_done(MODES["parallel streamed"], None)
    console = Console(width=80)
    with console.capture() as capture:
        console.print(display.drawn())
    assert capture.get().split("\n")[0].split("   ") == ["in parallel", "in sequence"]
