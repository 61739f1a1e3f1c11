"""Who takes part: each runtime in each precision that is native here, with the file's graph and the rewritten one.

And how fast one of them draws with nothing around it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from runtime.cores import usable_cores
from services.common.runtimes.batch_plan import unmeasured
from services.common.runtimes.calibration.candidates import first_candidates
from services.common.runtimes.calibration.speed import measure
from services.common.runtimes.configuration import Configuration, Wish
from services.common.runtimes.onnx_file import OnnxFile, read_onnx
from services.common.runtimes.opening import Forms, open_instances
from services.common.runtimes.rewrites.every import rewritten
from services.common.runtimes.session import Feed, Session, rows
from services.gan.generator import Generator
from services.gan.generator_instances import probe
from tandem.cli.models.quantisation.quantisation import generator_of
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import Model

LARGEST_BATCH = 64
BASE = "onnxruntime float32"


@dataclass(frozen=True)
class Contender:
    """One way to run a generator, opened: an instance a core, with a thread each."""

    sessions: Sequence[Session]
    generator: Generator
    feed: Feed
    """LARGEST_BATCH samples."""

    def loop(self, size: int, seconds: float) -> dict[str, float]:
        """Let every instance run in a loop with batches of `size`; return images/s and CPU ms an image."""
        feed, output = rows(self.feed, 0, size), self.sessions[0].outputs[0].name
        measure(self.sessions, len(self.sessions), feed, output, 0.0)
        own, clock = time.process_time(), time.monotonic()
        rate = measure(self.sessions, len(self.sessions), feed, output, seconds).by_clock
        used, elapsed = time.process_time() - own, time.monotonic() - clock
        return {"images_per_second": rate, "cpu_ms": used / elapsed / rate * 1e3}


@dataclass(frozen=True)
class Way:
    """A way to run a generator that is not opened yet."""

    name: str
    forms: Forms
    configuration: Configuration
    spec: ImageSpec

    def open(self) -> Contender:
        sessions = open_instances(self.forms, self.configuration)
        generator = Generator(sessions[0], self.spec)
        return Contender(sessions, generator, generator.feed(probe(self.spec, LARGEST_BATCH)))


def ways(path: Path, spec: ImageSpec, batch_sizes: Sequence[int], suffix: str = "") -> Iterator[Way]:
    """Yield every way to run a generator on this machine, ONNX Runtime with the file as it is first.

    `suffix` is added to their names. Raises ModelError.
    """
    file = read_onnx(path)
    faster = rewritten(file.model)
    forms = Forms(file, None if faster is None else OnnxFile(file.path, faster, file.digest))
    wish = Wish(max_batch_size=LARGEST_BATCH)
    there_are = [first_candidates(wish, usable_cores(), form) for form in (False, True) if form <= forms.has_rewritten]
    for each in chain.from_iterable(zip(*there_are, strict=True)):
        sizes = unmeasured(batch_sizes) if each.runtime == "openvino" else {}
        name = f"{each.runtime} {each.precision}{', rewritten' if each.is_rewritten else ''}{suffix}"
        yield Way(name, forms, each.model_copy(update={"pass_seconds": sizes}), spec)


def ways_of(model: Model, batch_sizes: Sequence[int]) -> list[Way]:
    """Return every way to run a model, with those of its int8 form if there is one. Raises ModelError."""
    path, spec = generator_of(model)
    found = list(ways(path, spec, batch_sizes))
    if model.spec.int8 is not None:
        found += ways(model.path(model.spec.int8.generator), spec, batch_sizes, ", int8")
    return found
