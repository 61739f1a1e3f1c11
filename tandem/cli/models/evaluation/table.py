"""How an evaluation's figures are shown: the model beside real images, and the gates where there are any."""

from collections.abc import Iterator
from typing import Any

from tandem.measure.formats import count, decimals
from tandem.measure.report.prose import tables as written
from tandem.measure.report.tables import Cell, Row, Table, markdown_table
from tandem.measure.results.quality import Nearness

_ROWS = {
    # metric: how it is called, how it is written
    "fid": ("FID", decimals(3)),
    "worst_class_fid": ("worst class FID", decimals(2)),
    "kid": ("KID", decimals(4)),
    "accuracy": ("accuracy", decimals(3)),
    "precision": ("precision", decimals(3)),
    "recall": ("recall", decimals(3)),
    "density": ("density", decimals(3)),
    "coverage": ("coverage", decimals(3)),
    "memorised": ("memorised", decimals(4)),
    "worst_class_memorised": ("worst class memorised", decimals(4)),
}
_SIDES = ("model", "floor")
_CLASS_COLUMNS = {
    # heading: side, metric, how it is written
    "FID": ("model", "fid", decimals(2)),
    "real FID": ("floor", "fid", decimals(2)),
    "variance": ("model", "variance_ratio", decimals(2)),
    "real var.": ("floor", "variance_ratio", decimals(2)),
    "accuracy": ("model", "accuracy", decimals(3)),
    "memorised": ("model", "memorised", decimals(4)),
}


def evaluation_text(found: dict[str, Any]) -> str:
    """Return the record `found` (evaluation.json) as tables in Markdown, ready for a model card."""
    seen = (found["name"], found["name"], Nearness.model_validate(found["views"]))
    tables = [_summary(found), *written("quality.views", [seen]), _classes(found)]
    if found["own_verdict"]:
        tables.insert(1, _own_verdict(found["own_verdict"], found["gates"]))
    return "\n\n".join((*(markdown_table(table, is_padded=True) for table in tables), _small_print(found)))


def _summary(found: dict[str, Any]) -> Table:
    gates = found["gates"]
    rows = []
    for metric, (name, show) in _ROWS.items():
        cells = [show(found[side][metric]) for side in _SIDES]
        if metric == "kid":
            cells = [f"{cell} ± {show(found[side]['kid_std'])}" for cell, side in zip(cells, _SIDES, strict=True)]
        rows.append(Row((name, *cells, *_gate(gates, metric, bool(gates)))))
    rows.append(Row((*_least_variance(found), *_gate(gates, "variance_ratio", bool(gates)))))
    return Table(("metric", found["name"], "real images", *(["gate"] if gates else [])), rows)


def _least_variance(found: dict[str, Any]) -> tuple[str, ...]:
    """Return the row of the class that varies least beside real images of it; each side by its own least class."""
    least = [
        min((figures["variance_ratio"], label) for label, figures in enumerate(found[side]["classes"]))
        for side in _SIDES
    ]
    name = found["class_names"][least[0][1]]
    show = decimals(3)
    return f"least variance of a class ({name})", *(show(value) for value, _ in least)


def _gate(gates: dict[str, Any], metric: str, has_column: bool) -> Iterator[str | Cell]:
    """Yield the cell of the gate of a metric, if there is a column for gates."""
    if has_column:
        gate = gates.get(metric)
        word = "" if gate is None else f"{gate['accepted']}: {'met' if gate['is_met'] else 'missed'}"
        yield Cell(word, is_bad=gate is not None and not gate["is_met"])


def _own_verdict(figures: dict[str, float], gates: dict[str, Any]) -> Table:
    """Return what the model itself says of images."""
    is_gated = not gates.keys().isdisjoint(figures)
    rows = [
        Row((name.replace("_", " "), f"{value:.3f}", *_gate(gates, name, is_gated)))
        for name, value in figures.items()
        if name != "num_of_each_kind"
    ]
    heading = f"of {count(figures['num_of_each_kind'])} images of each kind"
    return Table(("the model itself", heading, *(["gate"] if is_gated else [])), rows)


def _classes(found: dict[str, Any]) -> Table:
    rows = [
        Row((name, *(show(found[side]["classes"][label][metric]) for side, metric, show in _CLASS_COLUMNS.values())))
        for label, name in enumerate(found["class_names"])
    ]
    return Table(("class", *_CLASS_COLUMNS), rows)


def _small_print(found: dict[str, Any]) -> str:
    settings = ", ".join(f"{name} {value:g}" for name, value in found["sampling"].items() if value is not None)
    return (
        f"{found['model']['num_images']:,} {found['paradigm']} samples, the same number of each class,"
        f" seed {found['seed']} ({found['seeds']}),"
        f" {settings or 'nothing truncated'}; against {found['num_test_images']:,} test images of"
        f" {found['data_set']} in the features of {found['judge']['name']} ({found['judge']['sha256'][:12]})."
        f" Real images: {found['floor']['num_images']:,} training images; through the tokenizer: the test images."
        " Distances: extrapolated to infinitely many images, with the 95 % intervals of drawing others (jackknife)."
        f" Memorised: {found['notes']['memorised']}."
    )
