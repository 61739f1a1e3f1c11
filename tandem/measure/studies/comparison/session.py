"""A comparison from beginning to end: find the pair, make ready, measure, search, judge, and make the document."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from tandem.measure.generator.generator import BROKEN_OFF, BrokenOff, Generator, generator, stopped_by_hand
from tandem.measure.meters.cpu import cpu_meter
from tandem.measure.meters.energy import energy_meter
from tandem.measure.results.comparison import Capacity, Comparison, JudgedImages, Judgement, Settings
from tandem.measure.studies.comparison.capacity import first_rate, open_loop, searched
from tandem.measure.studies.comparison.foreign import Foreign, foreign_beside
from tandem.measure.studies.comparison.modes import Mode, Pair, matched_pair
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.request import ForeignRequest, Request
from tandem.measure.studies.comparison.results import comparison, mode_result
from tandem.measure.studies.comparison.run import Findings, conduct
from tandem.measure.studies.comparison.trials import Meters

if TYPE_CHECKING:  # brings onnxruntime, torch and scikit-learn, which a comparison without quality need not wait for
    from tandem.measure.studies.comparison.quality import Assessor

NOT_ASKED = "it was not asked for"


async def loaded(
    request: Request, pair: Pair, modes: Sequence[Mode], controls: Sequence[Mode], meters: Meters, observer: Observer
) -> tuple[Findings, dict[str, Capacity], Foreign | None]:
    """Put load on all modes, and search for the capacities of `modes`. Ctrl-C breaks it off; a second one leaves at
    once.
    """
    settings = request.settings
    with stopped_by_hand() as stop:
        async with generator(request.address, stop) as source, _beside(request.foreign, pair, stop) as foreign:
            findings = await conduct(source, (*modes, *controls), settings, meters, observer, foreign)
            return findings, await capacities(source, modes, settings, findings, observer), foreign


@contextlib.asynccontextmanager
async def _beside(wanted: ForeignRequest | None, pair: Pair, stop: asyncio.Event) -> AsyncIterator[Foreign | None]:
    if wanted is None:
        yield None
        return
    async with generator(wanted.address, stop) as source:
        yield await foreign_beside(source, wanted.model, pair)


async def capacities(
    source: Generator, modes: Sequence[Mode], settings: Settings, findings: Findings, observer: Observer
) -> dict[str, Capacity]:
    """Search for the capacity of each mode that has a curve to begin with, if that is wanted; return them by way."""
    found: dict[str, Capacity] = {}
    if settings.capacity_method != "search" or findings.stop_reason:
        return found
    try:
        for mode in modes:
            result = mode_result(mode, settings, findings, {})
            if result.capacity is not None:
                attempt = open_loop(source, findings.audited_runs, mode, settings.slo_seconds, observer)
                begin = first_rate(result.curve, result.capacity)
                found[mode.name] = await searched(begin, settings.slo_seconds, attempt)
    except BrokenOff as error:
        findings.stop_reason = BROKEN_OFF if source.stop.is_set() else str(error)
    return found


def compare(request: Request, observer: Observer) -> Comparison:
    """Compare; what Ctrl-C or a server that is gone cut short is kept, and the document says so.

    Raises TandemRpcError, TandemError, ModelError, ValueError or OSError if it can't even begin.
    """
    # Not on uvloop: it forks to start the generator's processes, of which grpc complains.
    pair = asyncio.run(matched_pair(request.address, request.sequential, request.parallel))
    judges, meters = assessor_of(request, pair), meters_of(request)
    controls = pair.controls() if request.settings.control else ()
    findings, found, foreign = asyncio.run(loaded(request, pair, pair.modes(), controls, meters, observer))
    quality, judgement = judged(judges, request, pair.modes(), findings, observer)
    address, settings = request.address, request.settings
    return comparison(address, pair, settings, meters, findings, quality, judgement, found, foreign)


def meters_of(request: Request) -> Meters:
    """Return what is read before and after each trial."""
    return Meters(asyncio.run(cpu_meter(request.address, request.metrics)), energy_meter(request.address))


def assessor_of(request: Request, pair: Pair) -> Assessor | None:
    """Return who judges the images, None if nobody is to. Raises what `assessor` does."""
    if not request.settings.quality_images:
        return None
    from tandem.measure.studies.comparison.quality import assessor

    return assessor(request.judge, request.reference, pair)


def judged(
    judges: Assessor | None, request: Request, modes: Sequence[Mode], findings: Findings, observer: Observer
) -> tuple[dict[str, JudgedImages], Judgement]:
    """Return the quality of what was served, by drawer; a Ctrl-C is noted in `findings`."""
    if judges is None:
        return {}, _judgement(request.unjudged or NOT_ASKED)
    if findings.stop_reason:
        return {}, _judgement(findings.stop_reason)
    try:
        drawn_by = {mode.drawer: mode.model.name for mode in modes}
        return judges.assess(findings.albums, drawn_by, request.settings.quality_images, observer)
    except KeyboardInterrupt:
        findings.stop_reason = BROKEN_OFF
        return {}, _judgement(BROKEN_OFF)


def _judgement(reason: str) -> Judgement:
    return Judgement(reason=reason, data_set=None, num_test_images=None, judge=None, judge_sha256=None)
