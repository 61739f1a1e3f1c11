"""A comparison from beginning to end: find the pair, make ready, measure, search, judge, and make the document."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from bench.compare.capacity import first_rate, open_loop, searched
from bench.compare.cpu import Addresses, cpu_meter
from bench.compare.document import Capacity, Comparison, Judgement, Quality, Settings
from bench.compare.energy import energy_meter
from bench.compare.observer import Observer
from bench.compare.results import comparison
from bench.compare.run import BROKEN_OFF, Findings, conduct
from bench.compare.visit import Meters
from bench.compare.ways import Pair, matched_pair

if TYPE_CHECKING:  # brings onnxruntime, torch and scikit-learn, which a comparison without quality need not wait for
    from bench.compare.quality import Assessor

NOT_ASKED = "not measured: it was not asked for"


@dataclass(frozen=True)
class Request:
    """What to compare and how. Empty model names: the only image model of each paradigm. `reference` None:
    Fashion-MNIST. `metrics`: see bench.compare.cpu."""

    address: str
    sequential: str
    parallel: str
    settings: Settings
    judge: Path
    reference: Path | None = None
    metrics: Addresses = field(default_factory=dict)


@dataclass
class _Session:
    request: Request
    pair: Pair
    meters: Meters
    observer: Observer
    capacities: dict[str, Capacity] = field(default_factory=dict)

    async def measured(self) -> Findings:
        """Measure. Ctrl-C breaks it off; a second one leaves at once."""
        settings = self.request.settings
        with _stopped_by_hand() as stop:
            return await conduct(self.request.address, self.pair, settings, self.meters, self.observer, stop)

    async def search(self, findings: Findings) -> None:
        """Search for the capacity of each way that has a curve to begin with; Ctrl-C as above."""
        address, slo_seconds = self.request.address, self.request.settings.slo_seconds
        so_far = self.document(findings, {}, _judgement(NOT_ASKED))
        with _stopped_by_hand() as stop:
            try:
                for way, result in zip(self.pair.ways(), so_far.ways, strict=True):
                    if result.capacity is not None:
                        attempt = open_loop(address, self.pair, way, slo_seconds, stop, self.observer)
                        begin = first_rate(result.curve, result.capacity)
                        self.capacities[way.name] = await searched(begin, slo_seconds, attempt)
            except RuntimeError as error:
                findings.stop_reason = BROKEN_OFF if stop.is_set() else str(error)

    def document(self, findings: Findings, quality: dict[str, Quality], judgement: Judgement) -> Comparison:
        return comparison(
            self.request.address,
            self.pair,
            self.request.settings,
            self.meters,
            findings,
            quality,
            judgement,
            self.capacities,
        )


def compare(request: Request, observer: Observer) -> Comparison:
    """Compare; what Ctrl-C or a server that is gone cut short is kept, and the document says so.

    Raises TandemRpcError, TandemError, ModelError, ValueError or OSError if it can't even begin.
    """
    pair = uvloop.run(matched_pair(request.address, request.sequential, request.parallel))
    judges = _assessor(request, pair)
    meters = Meters(cpu_meter(request.address, request.metrics), energy_meter(request.address))
    session = _Session(request, pair, meters, observer)
    findings = uvloop.run(session.measured())
    if request.settings.capacity_method == "search" and not findings.stop_reason:
        # The load generator's processes are forked: uvloop would do that in a way that grpc complains about.
        asyncio.run(session.search(findings))
    quality, judgement = _judged(judges, request, findings, observer)
    return session.document(findings, quality, judgement)


def _assessor(request: Request, pair: Pair) -> Assessor | None:
    if not request.settings.quality_images:
        return None
    from bench.compare.quality import assessor

    return assessor(request.judge, request.reference, pair)


def _judged(
    judges: Assessor | None, request: Request, findings: Findings, observer: Observer
) -> tuple[dict[str, Quality], Judgement]:
    if judges is None:
        return {}, _judgement(NOT_ASKED)
    if findings.stop_reason:
        return {}, _judgement(f"not measured: {findings.stop_reason}")
    try:
        return judges.assess(findings.albums, request.settings.quality_images, observer)
    except KeyboardInterrupt:
        findings.stop_reason = BROKEN_OFF
        return {}, _judgement(f"not measured: {BROKEN_OFF}")


def _judgement(note: str) -> Judgement:
    return Judgement(note=note, data_set=None, num_test_images=None, judge=None, judge_sha256=None)


@contextlib.contextmanager
def _stopped_by_hand() -> Iterator[asyncio.Event]:
    """Yield an event that the first Ctrl-C sets; from then on it does what it does elsewhere."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_interrupt() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGINT)
