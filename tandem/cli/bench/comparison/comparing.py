"""What `tandem bench compare`, `tandem race` and `tandem bench tradeoff` have in common: settings, the comparison, its
document, exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from tandem.cli.bench.measuring import exit_code, keep_document
from tandem.cli.bench.showing import tell_problems
from tandem.cli.failures import friendly_errors
from tandem.cli.packages import need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.results.comparison import Comparison, Settings
from tandem.measure.results.files import check_writable
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.request import Request

Preset = Literal["race", "short", "thorough"]
_SHORT = Settings(
    num_pairs=60,
    concurrencies=(1, 8, 64),
    num_rounds=3,
    trial_seconds=0.5,
    slo_seconds=0.25,
    quality_images=2_000,
    confidence=0.95,
    seed=1,
    control=True,
)
_RACE: dict[str, Any] = {"num_pairs": 40, "concurrencies": (), "num_rounds": 0, "trial_seconds": 0.0}
_THOROUGH: dict[str, Any] = {"num_pairs": 400, "num_rounds": 8, "trial_seconds": 1.0}
PRESETS: dict[Preset, Settings] = {
    "race": _SHORT.model_copy(update={**_RACE, "quality_images": 0}),
    "short": _SHORT,
    "thorough": _SHORT.model_copy(update={**_THOROUGH, "quality_images": 10_000}),
}


def settings_of(preset: Preset, **changes: Any) -> Settings:
    """Return a preset's settings with those changes that are not None."""
    given = {name: value for name, value in changes.items() if value is not None}
    if "concurrencies" in given:
        given["concurrencies"] = tuple(sorted(set(given["concurrencies"])))
    return PRESETS[preset].model_copy(update=given)


@dataclass(frozen=True)
class Compared:
    """A comparison that was made, and how its command ends."""

    content: Comparison
    terminal: Terminal
    is_interrupted: bool
    is_kept: bool

    @property
    def code(self) -> int:
        """The exit code."""
        return exit_code(self.content, self.is_kept, self.is_interrupted)

    def end(self) -> None:
        """Say what was wrong; raises typer.Exit unless nothing was."""
        tell_problems(self.content, self.terminal)
        if self.code:
            raise typer.Exit(self.code)


def compared(terminal: Terminal, observer: Observer, request: Request, json_file: Path | None) -> Compared:
    """Compare, and write the document. Raises typer.Exit."""
    with friendly_errors(terminal, request.address):
        need_packages("quality", "scipy")
        from tandem.measure.generator.generator import BROKEN_OFF
        from tandem.measure.studies.comparison.session import compare

        if json_file is not None:
            check_writable(json_file)
        with observer:
            document = compare(request, observer)
        is_kept = json_file is None or keep_document(document, json_file, terminal)
    return Compared(document, terminal, BROKEN_OFF in document.problems, is_kept)
