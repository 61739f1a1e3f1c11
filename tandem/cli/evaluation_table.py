"""How an evaluation's figures are shown: the model beside real images, and the gates where there are any."""

from typing import Any

from rich import box
from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

_ROWS = {
    # metric: how it is written
    "fid": "{:.3f}",
    "worst_class_fid": "{:.2f}",
    "kid": "{:.4f}",
    "accuracy": "{:.3f}",
    "precision": "{:.3f}",
    "recall": "{:.3f}",
    "density": "{:.3f}",
    "coverage": "{:.3f}",
    "memorised": "{:.4f}",
    "worst_class_memorised": "{:.4f}",
}
_TITLES = {
    "fid": "FID",
    "worst_class_fid": "worst class FID",
    "kid": "KID",
    "worst_class_memorised": "worst class memorised",
}
_CLASS_COLUMNS = {
    # heading: side, metric, how it is written
    "FID": ("model", "fid", "{:.2f}"),
    "real FID": ("floor", "fid", "{:.2f}"),
    "variance": ("model", "variance_ratio", "{:.2f}"),
    "real var.": ("floor", "variance_ratio", "{:.2f}"),
    "accuracy": ("model", "accuracy", "{:.3f}"),
    "memorised": ("model", "memorised", "{:.4f}"),
}


def evaluation_table(found: dict[str, Any]) -> Group:
    """Return the record `found` (evaluation.json) as two tables, in Markdown, ready for a model card."""
    tables = [_summary(found), _classes(found)]
    if found["own_verdict"]:
        tables.insert(1, _own_verdict(found["own_verdict"], found["gates"]))
    return Group(*tables, Text(_small_print(found)))


def _summary(found: dict[str, Any]) -> Table:
    gates = found["gates"]
    table = Table(Column("metric", no_wrap=True), box=box.MARKDOWN)
    for heading in (found["name"], "real images"):
        table.add_column(heading, justify="right", no_wrap=True)
    if gates:
        table.add_column("gate", no_wrap=True)
    for metric, layout in _ROWS.items():
        cells = [_cell(found[side], metric, layout) for side in ("model", "floor")]
        table.add_row(_TITLES.get(metric, metric), *cells, *([_verdict(gates.get(metric))] if gates else []))
    return table


def _cell(figures: dict[str, Any], metric: str, layout: str) -> str:
    text = layout.format(figures[metric])
    return f"{text} ± {layout.format(figures['kid_std'])}" if metric == "kid" else text


def _verdict(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return ""
    return f"{gate['accepted']}: " + ("met" if gate["is_met"] else "[bold red]missed[/bold red]")


def _own_verdict(figures: dict[str, float], gates: dict[str, Any]) -> Table:
    """Return what the model itself says of images."""
    heading = f"of {figures['num_of_each_kind']:,} images of each kind"
    table = Table(Column("the model itself", no_wrap=True), Column(heading, justify="right"), box=box.MARKDOWN)
    is_gated = not gates.keys().isdisjoint(figures)
    if is_gated:
        table.add_column("gate", no_wrap=True)
    for name, value in figures.items():
        if name != "num_of_each_kind":
            verdict = [_verdict(gates.get(name))] if is_gated else []
            table.add_row(name.replace("_", " "), f"{value:.3f}", *verdict)
    return table


def _classes(found: dict[str, Any]) -> Table:
    table = Table(Column("class", no_wrap=True), box=box.MARKDOWN)
    for heading in _CLASS_COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    for label, name in enumerate(found["class_names"]):
        cells = [
            layout.format(found[side]["classes"][label][metric]) for side, metric, layout in _CLASS_COLUMNS.values()
        ]
        table.add_row(name, *cells)
    return table


def _small_print(found: dict[str, Any]) -> str:
    settings = ", ".join(f"{name} {value:g}" for name, value in found["sampling"].items() if value is not None)
    return (
        f"{found['model']['num_images']:,} {found['paradigm']} samples, as many of each class, seed {found['seed']}"
        f" ({found['seeds']}), {settings or 'nothing truncated'}; against {found['num_test_images']:,} test images of"
        f" {found['data_set']} in the features of {found['judge']['name']} ({found['judge']['sha256'][:12]})."
        f" Real images: {found['floor']['num_images']:,} training images. Memorised: {found['notes']['memorised']}."
    )
