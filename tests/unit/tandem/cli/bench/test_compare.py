"""The presets of comparisons, and what is seen while a race runs."""

import io
from typing import get_args

import numpy as np
import pytest
from rich.console import Console

from tandem.cli.bench.compare import Preset, RaceDisplay, settings_of
from tandem.cli.terminal import Terminal
from tests.unit.tandem.measure.studies.comparison.seen import MODES


def test_what_is_none_stays_as_the_preset_has_it_and_callers_ascend_from_one() -> None:
    settings = settings_of("short", num_rounds=None, concurrencies=[8, 2, 8])
    assert (settings.num_rounds, settings.concurrencies) == (settings_of("short").num_rounds, (1, 2, 8))
    for preset in get_args(Preset):
        assert (settings_of(preset).control, settings_of(preset, control=False).control) == (True, False)


def test_the_display_shows_the_newest_pictures_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(terminal, "out", Console(force_terminal=True, width=80, file=io.StringIO()))
    display = RaceDisplay(terminal)
    for name in ("sequential unary", "parallel unary"):
        display.show(MODES[name], np.zeros((4, 4, 1), np.uint8))
    console = Console(width=80)
    with console.capture() as capture:
        console.print(display.images())
    assert capture.get().split("\n")[0].split("   ") == ["in parallel", "in sequence"]
