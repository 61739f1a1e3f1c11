"""Tables of what a measurement ran on, and of files that could not be used."""

from collections.abc import Sequence

from tandem.measure.formats import count, known, number
from tandem.measure.report.sources import Rejected
from tandem.measure.report.tables.table import Columns, Row, Table, table_of
from tandem.measure.results.header import Machine, ServedModel


def machine_table(machines: Sequence[Machine]) -> Table:
    """Return what the measurements ran on."""
    rows: list[Row] = []
    for each in machines:
        packages = ", ".join(f"{name} {version}" for name, version in each.packages.items())
        cells = (
            ("processor", each.cpu_model),
            ("cores", f"{each.num_usable_cores} usable of {each.num_cores}"),
            ("memory", f"{number(each.memory_bytes / 2**30)} GiB"),
            ("GPUs", ", ".join(each.gpus) or "none"),
            ("system", each.operating_system),
            ("software", f"{each.python}, {packages}"),
        )
        rows += map(Row, cells)
    return Table(("", "generator's host"), rows, "Machine")


_MODELS: Columns[ServedModel] = {
    "model": lambda model: model.name,
    "paradigm": lambda model: model.paradigm,
    "modality": lambda model: model.modality,
    "runs on": lambda model: ", ".join(filter(None, (model.device, model.dtype, *model.providers))),
    "parameters": lambda model: known(model.num_parameters, count),
    "steps an image": lambda model: known(model.tokens_per_image, count),
    "licence": lambda model: model.licence,
}


def model_table(models: Sequence[ServedModel]) -> Table:
    """Return the models as their servers told of them."""
    return table_of("Models", models, _MODELS)


def file_table(rejected: Sequence[Rejected]) -> Table:
    """Return the files that could not be used."""
    columns: Columns[Rejected] = {"file": lambda each: each.name, "reason": lambda each: each.reason}
    return table_of("Files not used", rejected, columns, lambda _: True)
