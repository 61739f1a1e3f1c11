"""The documents that a report is made of, read and sorted; what can't be used is kept with the reason.
Files come from anywhere: a file that is no such document, or of another version, is told of, and never a crash.
"""

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tandem.measure.results.colocation import Colocation
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.files import Result, read_result
from tandem.measure.results.growth import Growth
from tandem.measure.results.header import Machine, ServedModel
from tandem.measure.results.load import Document, StreamResult
from tandem.measure.results.text import TextStudy
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario
from tandem.shared.errors import ExpectedError


@dataclass(frozen=True)
class Run:
    """The document of a load run, and the name of its file."""

    name: str
    document: Document

    @property
    def stream(self) -> StreamResult:
        """The first stream, which is the only one of those that can be compared."""
        return self.document.streams[0]

    @property
    def load(self) -> OpenLoop | ClosedLoop:
        return self.document.scenario.load

    @property
    def is_sound(self) -> bool:
        return self.document.audit.valid and not self.document.is_partial


@dataclass(frozen=True)
class Rejected:
    """A file that can't be used, and why."""

    name: str
    reason: str


@dataclass
class Sources:
    """`comparison` to `text` are the newest document of each kind; `rejected` lists older ones."""

    runs: list[Run] = field(default_factory=list)
    comparison: Comparison | None = None
    crossover: Crossover | None = None
    growth: Growth | None = None
    steps: Comparison | None = None
    colocation: Colocation | None = None
    text: TextStudy | None = None
    rejected: list[Rejected] = field(default_factory=list)
    _files: dict[str, str] = field(default_factory=dict)  # names by kind

    @property
    def machines(self) -> list[Machine]:
        """All machines that documents were made on, the first document's first."""
        found: list[Machine] = []
        for document in self.documents:
            if document.machine not in found:
                found.append(document.machine)
        return found

    @property
    def models(self) -> list[ServedModel]:
        """All models, each as the last document has it."""
        return list({model.name: model for document in self.documents for model in document.models}.values())

    @property
    def documents(self) -> list[Result]:
        """All that could be read."""
        single = (self.crossover, self.comparison, self.growth, self.steps, self.colocation, self.text)
        return [*(document for document in single if document is not None), *(run.document for run in self.runs)]

    def add(self, name: str, document: Result) -> None:
        """Take a document, `name` being that of its file; what no report shows goes to `rejected`."""
        if isinstance(document, Document):
            if document.streams:
                insort(self.runs, Run(name, document), key=lambda read: read.document.started_at)
            else:
                self.rejected.append(Rejected(name, "it has no stream of requests"))
            return
        # The attributes have the names of the kinds.
        kind, old = document.kind, getattr(self, document.kind)
        older, newer = self._files.get(kind, ""), name
        if old is not None and document.started_at < old.started_at:
            older, newer, document = newer, older, old
        if old is not None:
            self.rejected.append(Rejected(older, f"older than {newer}; a report shows one of each kind"))
        setattr(self, kind, document)
        self._files[kind] = newer


def matched_runs(runs: Iterable[Run]) -> list[Run]:
    """Return the runs of one steady stream of one-image requests: what both paradigms can be compared on."""
    return [run for run in runs if _is_matched(run.document.scenario)]


def _is_matched(scenario: Scenario) -> bool:
    if len(scenario.workloads) != 1:
        return False
    workload = scenario.workloads[0]
    is_one_image = workload.kind == "image" or (workload.kind == "images" and str(workload.images) == "1")
    return is_one_image and not scenario.is_ramp


def read_sources(paths: Sequence[Path]) -> Sources:
    """Read files, and folders with all .json files in them. Raises ValueError if a path is not there."""
    found = Sources()
    for path in paths:
        if not path.exists():
            raise ExpectedError(f"{path}: no such file or folder")
        files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        base = path if path.is_dir() else path.parent
        for file in files:
            name = file.relative_to(base).as_posix()
            try:
                found.add(name, read_result(file))
            except (OSError, ValueError) as error:
                reason = " ".join(str(error).replace(f"{file}: ", "").split())
                found.rejected.append(Rejected(name, reason[:300]))
    return found
