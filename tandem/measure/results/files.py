"""Results on disk: documents, which may come from anywhere, and the requests of a run, a JSON line each."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, Field, TypeAdapter

from tandem.measure.results.colocation import Colocation
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.growth import Growth
from tandem.measure.results.header import SCHEMA_VERSION
from tandem.measure.results.load import Document
from tandem.measure.results.record import CODE_NAMES, Outcome, Record
from tandem.measure.results.text import TextStudy
from tandem.measure.scenario import Scenario
from tandem.shared.errors import ExpectedError
from tandem.shared.metrics import BACKEND_PHASES

Result = Comparison | Crossover | Growth | Colocation | TextStudy | Document
RESULT: TypeAdapter[Result] = TypeAdapter(Annotated[Result, Field(discriminator="kind")])

R = TypeVar("R", bound=Result)

_COUNTS = ("number", "length", "num_outputs", "num_images", "num_messages")
_SECONDS = ("intended", "sent", "first_output", "ended", *BACKEND_PHASES, "backend_total")


def read_result(path: Path) -> Result:
    """Return the document in a file. Raises OSError, and ExpectedError for anything that is no such document."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        if (version := content.get("schema_version")) != SCHEMA_VERSION:
            wrote = f"it has schema version {version!r}" if version is not None else "it has no schema version"
            raise ValueError(f"{wrote}, and this tandem reads {SCHEMA_VERSION} alone: measure again")
        return RESULT.validate_json(text)
    except (ValueError, RecursionError) as error:
        raise ExpectedError(f"{path}: not a result of `tandem bench` or `tandem race`: {error}") from None


def read_as(path: Path, kind: type[R]) -> R:
    """Return the document of this kind in a file. Raises what `read_result` does."""
    document = read_result(path)
    wanted = kind.model_fields["kind"].default
    if not isinstance(document, kind) or document.kind != wanted:
        raise ExpectedError(f"{path}: of kind {document.kind!r}; wanted is {wanted!r}")
    return document


def check_writable(path: Path) -> None:
    """Raise OSError now rather than after the run, if a file can't be made there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    path.open("a").close()
    if is_new:
        path.unlink()


def write_document(path: Path, document: BaseModel) -> None:
    """Write the document; what was in the file before is lost only once the new one is whole. Raises OSError."""
    text = document.model_dump_json(indent=2) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as target:
        target.write_text(text, encoding="utf-8")


def write_requests(path: Path, scenario: Scenario, record: Record) -> None:
    """Write a line for each request that was sent, those of the warm-up too, in the order of their numbers.

    Seconds are those of the record: instants from the end of the warm-up, and durations; null where not known.
    `messages` are pairs of instant and outputs, of streamed requests.
    """
    with whole(path) as target, target.open("w", encoding="utf-8") as file:
        for line in _lines(scenario, record):
            file.write(json.dumps(line) + "\n")


def _lines(scenario: Scenario, record: Record) -> Iterator[dict[str, Any]]:
    messages = record.messages
    firsts = np.searchsorted(messages["number"], record.requests["number"], side="left")
    ends = np.searchsorted(messages["number"], record.requests["number"], side="right")
    for row, first, end in zip(record.requests, firsts, ends, strict=True):
        workload = scenario.workloads[int(row["workload"])]
        line = {"stream": workload.name, "warm_up": bool(row["intended"] < 0.0)}
        line |= {name: int(row[name]) for name in _COUNTS}
        line |= {"outcome": Outcome(int(row["outcome"])).name.lower(), "code": CODE_NAMES[int(row["code"])]}
        line |= {f"{name}_seconds": _known(row[name]) for name in _SECONDS}
        line["batch_size"] = _known(row["batch_size"])
        if workload.delivery == "streamed":
            line["messages"] = [[float(at), int(number)] for _, at, number in messages[first:end]]
        yield line


def _known(value: np.float64) -> float | None:
    return None if np.isnan(value) else round(float(value), 9)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a file beside `path` that takes its place if all goes well; a device is written to as it is."""
    if path.exists() and not path.is_file():
        yield path
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
