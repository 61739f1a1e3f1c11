"""The figures of runtimes as a page of tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.spread import shown, spread

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
        [name, *(f"{shown(spread(speeds[name][n], 0))}; x {shown(spread(relative[name][n]))}" for n in sizes)]
        for name in speeds
    )
    return table(["", *(f"batch {size}" for size in sizes)], rows)


def fid_table(fids: Mapping[str, Sequence[float]], base: str) -> str:
    rows = (
        [
            name,
            *(f"{fid:.4f}" for fid in each),
            shown(spread([a / b for a, b in zip(each, fids[base], strict=True)], 4)),
        ]
        for name, each in fids.items()
    )
    head = ["", *(f"FID, seed {place + 1}" for place in range(len(fids[base]))), "ratio to the file in float32"]
    return table(head, rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def speed_page(results: Mapping[str, Any]) -> str:
    """Return the speeds in Markdown; see bench_runtimes for what the results are."""
    measured = f"{results['rounds']} rounds, contenders in turn; median (lowest-highest) of the rounds"
    sections = [
        _head("Runtimes with nothing around them", "bench_runtimes", results, measured),
        "Images a second, an instance a core with a thread each, all busy; x: times those of ONNX Runtime in float32"
        " with the file as it is, in the same round.\n",
    ]
    for name, speeds in results["images_per_second"].items():
        sections += [f"## {name}\n", speed_table(speeds, results["base"])]
    return "\n".join(sections)


def quality_page(results: Mapping[str, Any]) -> str:
    """Return the FIDs in Markdown; see bench_runtime_quality for what the results are."""
    measured = f"{results['num_images']:,} images a seed"
    head = _head("How good the images are that each runtime draws", "bench_runtime_quality", results, measured)
    return f"{head}\n## {results['model']}\n\n{fid_table(results['fids'], results['base'])}"


def _head(title: str, script: str, results: Mapping[str, Any], measured: str) -> str:
    around = results["surroundings"]
    versions = ", ".join(f"{name} {value}" for name, value in around["versions"].items())
    return (
        f"# {title}\n\n"
        f"`python -m bench.{script}`, {around['date']}, commit {around['commit']}, {measured}.\n\n"
        f"{around['processor']} ({results['instruction_set']}), {around['num_cores']} cores, load average at the start"
        f" {around['load_average']}; {around['operating_system']}; {versions}.\n"
    )


def write(folder: Path, name: str, results: Mapping[str, Any], page: str) -> None:
    """Write the results as JSON and as a page, and print the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / f"{name}.md").write_text(page)
    sys.stdout.write(page)
