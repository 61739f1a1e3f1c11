"""The documents that a report is made of, read and sorted; what can't be used is kept with the reason.

Files come from anywhere: a file that is no such document, or of another version, is told of, and never a crash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from bench.compare.document import Comparison, read_comparison
from bench.crossover.document import Crossover, read_crossover
from bench.growth.document import Growth, read_growth
from bench.load.document import Document, Machine, StreamResult, read_document
from bench.load.scenario import ClosedLoop, OpenLoop, Work

D = TypeVar("D", bound=BaseModel)
_MAX_REASON = 300


@dataclass(frozen=True)
class Read(Generic[D]):
    """A document, and the name of its file."""

    name: str
    document: D


@dataclass(frozen=True)
class Rejected:
    """A file that can't be used, and why."""

    name: str
    reason: str


@dataclass
class Sources:
    """`comparison`, `crossover` and `growth` are the newest there are; older ones are told of in `rejected`."""

    runs: list[Read[Document]] = field(default_factory=list)
    comparison: Read[Comparison] | None = None
    crossover: Read[Crossover] | None = None
    growth: Read[Growth] | None = None
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def machine(self) -> Machine | None:
        """The machine of the newest document."""
        machines = self.machines
        return machines[0] if machines else None

    @property
    def machines(self) -> list[Machine]:
        """All machines that documents were made on, the first document's first."""
        found: list[Machine] = []
        for document in self.documents:
            if document.machine not in found:
                found.append(document.machine)
        return found

    @property
    def documents(self) -> list[Comparison | Crossover | Growth | Document]:
        """All that could be read."""
        reads = (self.crossover, self.comparison, self.growth, *self.runs)
        return [read.document for read in reads if read is not None]


@dataclass(frozen=True)
class MatchedRun:
    """A run whose every request was one image: what both paradigms can be compared on."""

    name: str
    document: Document
    stream: StreamResult
    load: OpenLoop | ClosedLoop

    @property
    def is_sound(self) -> bool:
        return self.document.audit.valid and not self.document.is_partial


def matched_runs(runs: Iterable[Read[Document]]) -> list[MatchedRun]:
    """Return the runs of one steady stream of one-image requests."""
    found = []
    for read in runs:
        scenario = read.document.scenario
        if len(scenario.works) == 1 and _is_one_image(scenario.works[0]) and _is_steady(scenario.load):
            found.append(MatchedRun(read.name, read.document, read.document.streams[0], scenario.load))
    return found


def _is_one_image(work: Work) -> bool:
    return work.kind == "picture" or (work.kind == "images" and str(work.images) == "1")


def _is_steady(load: OpenLoop | ClosedLoop) -> bool:
    return (load.end_rate_per_second if isinstance(load, OpenLoop) else load.end_concurrency) is None


def read_sources(paths: Sequence[Path]) -> Sources:
    """Read files, and folders with all .json files in them. Raises ValueError if a path is not there."""
    found = Sources()
    for path in paths:
        if not path.exists():
            raise ValueError(f"{path}: no such file or folder")
        files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        base = path if path.is_dir() else path.parent
        for file in files:
            _read(file, file.relative_to(base).as_posix(), found)
    found.runs.sort(key=lambda read: read.document.window.started_at)
    return found


def _read(file: Path, name: str, found: Sources) -> None:
    try:
        kind = _kind(file)
        if kind == "comparison":
            found.comparison = _newer(found.comparison, Read(name, read_comparison(file)), found, _started)
        elif kind == "crossover":
            found.crossover = _newer(found.crossover, Read(name, read_crossover(file)), found, _started)
        elif kind == "growth":
            found.growth = _newer(found.growth, Read(name, read_growth(file)), found, _started)
        else:
            document = read_document(file)
            if not document.streams:
                raise ValueError("it has no stream of work")
            found.runs.append(Read(name, document))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).replace(f"{file}: ", "").split())
        found.rejected.append(Rejected(name, reason[:_MAX_REASON]))


def _kind(file: Path) -> str:
    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return str(content.get("kind", ""))


def _started(document: Comparison | Crossover | Growth) -> object:
    return document.started_at


def _newer(old: Read[D] | None, new: Read[D], found: Sources, started: Callable[..., object]) -> Read[D]:
    if old is None:
        return new
    first, last = sorted((old, new), key=lambda read: started(read.document))  # type: ignore[arg-type, return-value]
    found.rejected.append(Rejected(first.name, f"older than {last.name}; a report shows one of each kind"))
    return last
