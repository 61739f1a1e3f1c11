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
_CELL, _GAP, _MARGIN, _HEADER, _FOOTER = 0.56, 0.45, 1.05, 1.45, 2.75
_BARS = 2.9


def save_figure(path: Path, found: dict[str, Any], images: Split, pairs: list[Pair]) -> None:
    """Draw the record `found`; `pairs` has one for each class."""
    page = _Page(len(pairs))
    names = found["class_names"]
    _samples(page.panel(0, SAMPLES_A_CLASS * _CELL), images, names)
    _pairs(page.panel(SAMPLES_A_CLASS * _CELL + _GAP, 2 * _CELL), pairs)
    left = (SAMPLES_A_CLASS + 2) * _CELL + 2 * _GAP
    _class_bars(page.panel(left, _BARS), found, "fid", "FID of the class (lower is better)")
    _class_bars(
        page.panel(left + _BARS + _GAP, _BARS), found, "variance_ratio", "variance against real images (1 is right)"
    )
    _shares(page.footer(), found)
    page.title(*_headline(found))
    page.figure.savefig(path, dpi=100)


class _Page:
    """A figure whose panels stand side by side, a row a class, above one panel over the whole width."""

    def __init__(self, num_rows: int) -> None:
        self._height = _HEADER + num_rows * _CELL + _FOOTER
        self._width = _MARGIN + (SAMPLES_A_CLASS + 2) * _CELL + 3 * _GAP + 2 * _BARS + 0.2
        self._rows = num_rows
        self.figure = Figure(figsize=(self._width, self._height), facecolor="white")

    def panel(self, left: float, width: float) -> Axes:
        """Return axes `left` inches from the margin; row r lies at r to r + 1, the first one on top."""
        axes = self._axes(_MARGIN + left, _FOOTER, width, self._rows * _CELL)
        axes.set_ylim(self._rows, 0)
        return axes

    def footer(self) -> Axes:
        return self._axes(_MARGIN, 0.5, self._width - _MARGIN - 0.2, _FOOTER - 1.15)

    def title(self, headline: str, *lines: str) -> None:
        self.figure.text(0.02, 1 - 0.3 / self._height, headline, fontsize=15, weight="bold", va="center")
        for number, line in enumerate(lines):
            self.figure.text(0.02, 1 - (0.57 + 0.21 * number) / self._height, line, fontsize=10, va="center")

    def _axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        page = (self._width, self._height)
        return self.figure.add_axes((left / page[0], bottom / page[1], width / page[0], height / page[1]))


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


def _pairs(axes: Axes, pairs: list[Pair]) -> None:
    _show(axes, np.vstack([np.hstack(pair) for pair in pairs]), "nearest pair:\nsample | training")
    axes.set_yticks([])


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
