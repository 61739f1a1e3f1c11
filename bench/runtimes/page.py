"""The figures of runtimes as a page of tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def page(results: Mapping[str, Any]) -> str:
    """Return the page in Markdown; see bench_runtimes for what the results are."""
    around = results["surroundings"]
    versions = ", ".join(f"{name} {value}" for name, value in around["versions"].items())
    head = (
        "# Runtimes with nothing around them\n\n"
        f"`python -m bench.bench_runtimes`, {around['date']}, commit {around['commit']}, {results['rounds']} rounds,"
        " contenders in turn; median (lowest-highest) of the rounds. An instance a core, a thread each, all busy.\n\n"
        f"{around['processor']} ({results['instruction_set']}), {around['num_cores']} cores, load average at the start"
        f" {around['load_average']}; {around['operating_system']}; {versions}.\n"
    )
    sections = [head]
    for name, each in results["models"].items():
        sections.append(f"## {name}\n\nImages a second; x: times those of {each['base']} in the same round.\n")
        sections.append(speed_table(each["images_per_second"], each["base"]))
        if each["fids"]:
            sections.append(f"FID of {each['num_images']:,} images, by the judge.\n")
            sections.append(fid_table(each["fids"], each["base"]))
    return "\n".join(sections)
