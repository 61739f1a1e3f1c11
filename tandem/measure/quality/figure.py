"""One evaluation as one figure: samples, nearest training images and figures, a row a class. Computes no figures."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tandem.measure.quality.gates import GATES
from tandem.measure.quality.reference import Split

Pixels = npt.NDArray[np.uint8]
Pair: TypeAlias = tuple[Pixels, Pixels]
"""A generated image and its nearest training image."""

SAMPLES_A_CLASS = 10
_SHARES = {
    "accuracy": "accuracy\njudged to be of the class asked for",
    "precision": "precision\nsamples that look real",
    "recall": "recall\nreal images within a sample's reach",
    "density": "density\nhow deep samples lie among real ones",
    "coverage": "coverage\nreal images that have a sample nearby",
}
_MODEL, _REAL, _INK = "#2563eb", "#b6bcc6", "#111827"
# Inches.
_CELL, _MARGIN, _HEADER, _FOOTER = 0.56, 1.05, 1.45, 2.75
_WIDTHS = {"samples": SAMPLES_A_CLASS * _CELL, "pairs": 2 * _CELL, "fid": 2.9, "variance_ratio": 2.9}
_GAP = 0.45


def save_figure(path: Path, found: dict[str, Any], images: Split, pairs: list[Pair]) -> None:
    """Draw the record `found`; `pairs` has one for each class. A row a class; below, one panel over the whole width."""
    width = _MARGIN + sum(_WIDTHS.values()) + 3 * _GAP + 0.2
    height = _HEADER + len(pairs) * _CELL + _FOOTER
    figure = Figure(figsize=(width, height), facecolor="white")
    left = _MARGIN
    panels = {}
    for name, inches in _WIDTHS.items():
        box = (left / width, _FOOTER / height, inches / width, len(pairs) * _CELL / height)
        panels[name] = figure.add_axes(box)
        panels[name].set_ylim(len(pairs), 0)
        left += inches + _GAP
    _samples(panels["samples"], images, found["class_names"])
    _show(panels["pairs"], np.vstack([np.hstack(pair) for pair in pairs]), "nearest pair:\nsample | training")
    panels["pairs"].set_yticks([])
    _class_bars(panels["fid"], found, "fid", "FID of the class (lower is better)")
    _class_bars(panels["variance_ratio"], found, "variance_ratio", "variance against real images (1 is right)")
    box = (_MARGIN / width, 0.5 / height, (width - _MARGIN - 0.2) / width, (_FOOTER - 1.15) / height)
    _shares(figure.add_axes(box), found)
    headline, *lines = _headline(found)
    figure.text(0.02, 1 - 0.3 / height, headline, fontsize=15, weight="bold", va="center")
    for number, line in enumerate(lines):
        figure.text(0.02, 1 - (0.57 + 0.21 * number) / height, line, fontsize=10, va="center")
    figure.savefig(path, dpi=100)


def _headline(found: dict[str, Any]) -> tuple[str, str, str]:
    model, floor = found["model"], found["floor"]
    sampling = ", ".join(f"{name} {value:g}" for name, value in found["sampling"].items() if value is not None)
    return (
        f"{found['name']}: FID {model['fid']:.2f}   (real images {floor['fid']:.2f})",
        f"{model['num_images']:,} images drawn {'in sequence' if found['paradigm'] == 'sequential' else 'in parallel'},"
        f" seed {found['seed']}, {sampling or 'nothing truncated'}; against {found['num_test_images']:,} test images of"
        f" {found['data_set']}, in the features of {found['judge']['name']}",
        f"copies of training images: {model['memorised']:.2%}   (unseen real images {floor['memorised']:.0%})"
        f"      KID {model['kid']:.4f} ± {model['kid_std']:.4f}   (real images {floor['kid']:.4f})",
    )


def _samples(axes: Axes, images: Split, names: list[str]) -> None:
    rows = [np.hstack(_pad(images.of_class(label)[:SAMPLES_A_CLASS])) for label in range(len(names))]
    _show(axes, np.vstack(rows), f"the first {SAMPLES_A_CLASS} samples of each class")
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=10)
    axes.tick_params(left=False)


def _pad(images: Pixels) -> list[Pixels]:
    missing = SAMPLES_A_CLASS - len(images)
    return [*images, *[np.zeros_like(images[0])] * missing]


def _show(axes: Axes, pixels: Pixels, title: str) -> None:
    top = axes.get_ylim()[0]
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=(0, 1, top, 0), aspect="auto", interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _class_bars(axes: Axes, found: dict[str, Any], metric: str, title: str) -> None:
    for offset, side, colour in ((0.34, "model", _MODEL), (0.66, "floor", _REAL)):
        values = [row[metric] for row in found[side]["classes"]]
        bars = axes.barh(np.arange(len(values)) + offset, values, height=0.3, color=colour)
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
    axes.margins(x=0.14)
    axes.set_title(title, fontsize=10)
    _plain(axes)
    axes.set_yticks([])


def _shares(axes: Axes, found: dict[str, Any]) -> None:
    gates = {name: GATES[found["name"]][name] for name in found["gates"]}
    for offset, side, colour in ((-0.19, "model", _MODEL), (0.19, "floor", _REAL)):
        values = [found[side][name] for name in _SHARES]
        label = found["name"] if side == "model" else "real training images (the floor)"
        bars = axes.bar(np.arange(len(_SHARES)) + offset, values, width=0.34, color=colour, label=label)
        axes.bar_label(bars, fmt="%.3f", fontsize=9.5, label_type="center", color="white" if side == "model" else _INK)
    gated = [(index, gates[name].limit) for index, name in enumerate(_SHARES) if name in gates]
    if gated:
        places, limits = np.array(gated).T
        axes.hlines(limits, places - 0.4, places + 0.02, color=_INK, linewidth=1.6, label="gate")
    axes.set_ylim(0, 1.1)
    axes.set_xticks(range(len(_SHARES)), list(_SHARES.values()), fontsize=9.5)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=3, frameon=False, fontsize=9)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
