"""What `tandem bench compare` and `tandem race` have in common: settings, the comparison, its document, exit codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from bench.compare.document import Comparison, Settings
from bench.compare.observer import Observer
from bench.load.files import check_writable
from tandem.cli.bench_measuring import keep_document
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.packages import need_packages
from tandem.cli.terminal import Terminal

Preset = Literal["race", "short", "thorough"]
_COMMON: dict[str, Any] = {"slo_seconds": 0.25, "confidence": 0.95, "seed": 1}
_LADDER = (1, 8, 64)
PRESETS: dict[Preset, Settings] = {
    "race": Settings(
        num_pairs=40,
        concurrencies=(),
        num_rounds=0,
        visit_seconds=0.0,
        capacity_method="curve",
        quality_images=0,
        **_COMMON,
    ),
    "short": Settings(
        num_pairs=60,
        concurrencies=_LADDER,
        num_rounds=3,
        visit_seconds=0.5,
        capacity_method="curve",
        quality_images=2_000,
        **_COMMON,
    ),
    "thorough": Settings(
        num_pairs=400,
        concurrencies=_LADDER,
        num_rounds=8,
        visit_seconds=1.0,
        capacity_method="search",
        quality_images=10_000,
        **_COMMON,
    ),
}


@dataclass(frozen=True)
class Compared:
    """A comparison that was made, and how its command ends."""

    content: Comparison
    terminal: Terminal
    is_interrupted: bool
    is_kept: bool

    def end(self) -> None:
        """Say what was wrong; raises typer.Exit unless nothing was."""
        for problem in self.content.problems:
            self.terminal.fail(problem)
        if self.is_interrupted:
            raise typer.Exit(INTERRUPTED)
        if self.content.problems or not self.is_kept:
            raise typer.Exit(FAILED)


def compared(
    terminal: Terminal,
    observer: Observer,
    json_file: Path | None,
    *,
    address: str,
    models: tuple[str, str],
    preset: Preset,
    changes: Mapping[str, Any],
    judge: Path = Path(),
    reference: Path | None = None,
    metrics: Mapping[str, str] | None = None,
) -> Compared:
    """Compare, with what `changes` of a preset's settings are not None; write the document. Raises typer.Exit."""
    with friendly_errors(terminal, address):
        need_packages("quality", "scipy")
        from bench.compare.run import BROKEN_OFF
        from bench.compare.session import Request, compare

        if json_file is not None:
            check_writable(json_file)
        given = {name: value for name, value in changes.items() if value is not None}
        settings = PRESETS[preset].model_copy(update=given)
        request = Request(address, *models, settings, judge, reference, metrics or {})
        with observer:
            document = compare(request, observer)
        is_kept = json_file is None or keep_document(document, json_file, terminal)
        return Compared(document, terminal, BROKEN_OFF in document.problems, is_kept)
    raise typer.Exit(FAILED)  # never reached: friendly_errors raises
