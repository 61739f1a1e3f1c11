"""Draw what a training logged: `python -m training.curves --run runs/fashion-ar --out models/fashion-ar/curve.png`.

Figures of one unit, by the last words of their names, share a panel; those of snapshots are drawn as points.
"""

import json
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot
from matplotlib.axes import Axes

from training.loop import path_parser

UNITS = ("loss", "score", "bits_per_token", "psnr")
SMOOTHED_OVER = 9
FEW = 50
"""So few values are those of snapshots."""

Line = dict[str, float]


def panels(log: list[Line]) -> dict[str, list[str]]:
    """Return the names of the figures by their unit."""
    names = dict.fromkeys(name for line in log for name in line)
    grouped = defaultdict(list)
    for name in names:
        unit = next((unit for unit in UNITS if name.endswith(unit)), None)
        if unit is not None:
            grouped[unit].append(name)
    return grouped


def draw(log: list[Line], title: str, path: Path) -> None:
    """Write the image; `log` holds the lines of a log.jsonl."""
    mpl.use("agg")
    found = panels(log)
    figure, rows = pyplot.subplots(len(found), 1, figsize=(8, 2.6 * len(found)), sharex=True, squeeze=False)
    for (unit, names), axes in zip(found.items(), rows[:, 0], strict=True):
        for name in names:
            _draw_one(axes, log, name)
        axes.set(ylabel=unit.replace("_", " "))
        axes.legend()
        axes.grid(alpha=0.3)
    rows[0, 0].set(title=title)
    rows[-1, 0].set(xlabel="step")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _draw_one(axes: Axes, log: list[Line], name: str) -> None:
    lines = [line for line in log if name in line]
    steps, values = [line["step"] for line in lines], [line[name] for line in lines]
    label = name.replace("_", " ")
    if len(lines) < min(FEW, len(log)):
        axes.plot(steps, values, "o-", label=label)
    else:
        axes.plot(steps, smooth(values), label=label)


def smooth(values: list[float]) -> npt.NDArray[np.float64]:
    """Return the running mean over SMOOTHED_OVER values."""
    padded = np.pad(values, SMOOTHED_OVER // 2, mode="edge")
    return np.convolve(padded, np.ones(SMOOTHED_OVER) / SMOOTHED_OVER, mode="valid")


def main() -> None:
    options = path_parser(__doc__, run="folder of the training run", out="the image to write").parse_args()
    log = [json.loads(line) for line in (options.run / "log.jsonl").read_text().splitlines()]
    draw(log, options.run.name, options.out)


if __name__ == "__main__":
    main()
