"""What `tandem bench compare`, `tandem race` and `tandem bench tradeoff` have in common: settings, the comparison, its
document, exit codes."""

from pathlib import Path
from typing import Any, Literal

from tandem.cli.bench.folder import exit_code, keep_document
from tandem.cli.failures import friendly_errors
from tandem.cli.packages import need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.results.comparison import ALONE, Comparison, Settings
from tandem.measure.results.files import check_writable
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.request import Request

CONTROL_HELP = "Measure the unary modes twice: how much do they differ by chance?"
SEED_HELP, MAX_SEED = "Of classes, seeds and the order.", 2**63 - 1

Preset = Literal["race", "short", "thorough"]
_SHORT = Settings(
    concurrencies=(1, 8, 64),
    num_rounds=3,
    trial_seconds=0.5,
    slo_seconds=0.25,
    quality_images=2_000,
    confidence=0.95,
    seed=1,
    control=True,
)
_ALONE: dict[str, Any] = {"concurrencies": (ALONE,), "trial_seconds": 0.25, "quality_images": 0}
_THOROUGH: dict[str, Any] = {"num_rounds": 8, "trial_seconds": 1.0, "quality_images": 10_000}
PRESETS: dict[Preset, Settings] = {
    "race": _SHORT.model_copy(update=_ALONE),
    "short": _SHORT,
    "thorough": _SHORT.model_copy(update=_THOROUGH),
}


def settings_of(preset: Preset, **changes: Any) -> Settings:
    """Return a preset's settings with those changes that are not None."""
    given = {name: value for name, value in changes.items() if value is not None}
    if "concurrencies" in given:
        given["concurrencies"] = tuple(sorted({ALONE, *given["concurrencies"]}))
    return PRESETS[preset].model_copy(update=given)


def compared(
    terminal: Terminal, observer: Observer, request: Request, json_file: Path | None
) -> tuple[Comparison, int]:
    """Compare, and write the document; return it and the exit code. Raises typer.Exit."""
    with friendly_errors(terminal, request.address):
        need_packages("quality", "scipy")
        from tandem.measure.generator.generator import BROKEN_OFF
        from tandem.measure.studies.comparison.session import compare

        if json_file is not None:
            check_writable(json_file)
        with observer:
            document = compare(request, observer)
        is_kept = json_file is None or keep_document(document, json_file, terminal)
    return document, exit_code(document, is_kept, BROKEN_OFF in document.problems)
