"""Carries out one step of the plan in this process: `python -m benchmarks.gpu.step STEP RESULT [CARD]`.

Without the number of a card it is a rehearsal. RESULT gets the figures, those of a step that broke off, too.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.gpu.card import Card
from benchmarks.gpu.plan import STEPS
from benchmarks.gpu.stage import stage_of
from benchmarks.harness.backend import TEXT_MODEL
from benchmarks.harness.figures import Figures
from benchmarks.harness.results import dump


def main(name: str, result: str, *numbers: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was found by then is written, and servers are ended
    figures = Figures()
    module, function = next(step.work for step in STEPS if step.name == name).split(".")
    try:
        stage = stage_of(Card(int(numbers[0])) if numbers else None)
        if stage.text.name != TEXT_MODEL:
            figures.left_out[TEXT_MODEL] = f"{stage.text.name} is in its place"
        getattr(import_module(f"benchmarks.gpu.{module}"), function)(stage, figures)
    finally:
        Path(result).write_text(dump(figures.document(name, 1)))


if __name__ == "__main__":
    main(*sys.argv[1:])
