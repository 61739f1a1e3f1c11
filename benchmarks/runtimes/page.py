"""The figures of runtimes as a page of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.printing import table_of
from tandem.measure.formats import decimals
from tandem.measure.report.tables.table import value_cell
from tandem.measure.statistics.intervals import over_rounds

Speeds = Mapping[str, Mapping[int, Sequence[float]]]
"""Images a second by contender and batch size, one entry a round."""


def ratios(speeds: Speeds, base: str) -> dict[str, dict[int, list[float]]]:
    """Return each contender's speeds over the base's of the same round."""
    return {
        name: {size: [a / b for a, b in zip(each, speeds[base][size], strict=True)] for size, each in sizes.items()}
        for name, sizes in speeds.items()
    }


def speed_table(speeds: Speeds, base: str) -> str:
    """Return images a second and, behind them, how many times the base's that is."""
    relative = ratios(speeds, base)
    sizes = list(speeds[base])
    rows = (
        [name, *(f"{_shown(speeds[name][n], 0)}; x {_shown(relative[name][n], 2)}" for n in sizes)] for name in speeds
    )
    return table_of(["", *(f"batch {size}" for size in sizes)], rows)


def fid_table(fids: Mapping[str, Sequence[float]], base: str) -> str:
    rows = (
        [
            name,
            *(f"{fid:.4f}" for fid in each),
            _shown([a / b for a, b in zip(each, fids[base], strict=True)], 4),
        ]
        for name, each in fids.items()
    )
    head = ["", *(f"FID, seed {place + 1}" for place in range(len(fids[base]))), "ratio to the file in float32"]
    return table_of(head, rows)


def _shown(values: Sequence[float], digits: int) -> str:
    return str(value_cell(over_rounds(values), decimals(digits)))


def speed_page(results: Mapping[str, Any]) -> str:
    """Return the speeds in Markdown; see `__main__` for what the results are."""
    measured = f"{results['rounds']} rounds, contenders in turn; median (lowest-highest) of the rounds"
    sections = [
        _head("Runtimes with nothing around them", "runtimes", results, measured),
        "Images a second, an instance a core with a thread each, all busy; x: times those of ONNX Runtime in float32"
        " with the file as it is, in the same round.\n",
    ]
    for name, speeds in results["images_per_second"].items():
        sections += [f"## {name}\n", speed_table(speeds, results["base"])]
    return "\n".join(sections)


def quality_page(results: Mapping[str, Any]) -> str:
    """Return the FIDs in Markdown; see `quality` for what the results are."""
    measured = f"{results['num_images']:,} images a seed"
    head = _head("How good the images are that each runtime draws", "runtimes.quality", results, measured)
    return f"{head}\n## {results['model']}\n\n{fid_table(results['fids'], results['base'])}"


def _head(title: str, script: str, results: Mapping[str, Any], measured: str) -> str:
    around = results["surroundings"]
    return (
        f"# {title}\n\n"
        f"`python -m benchmarks.{script}`, {around.date}, commit {around.commit}, {measured}.\n\n{around.text}\n"
    )
