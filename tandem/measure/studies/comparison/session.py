"""A comparison from beginning to end: find the pair, make ready, measure, judge, and make the document."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from tandem.measure.generator.generator import BROKEN_OFF, generator, stopped_by_hand
from tandem.measure.meters.cpu import cpu_meter
from tandem.measure.meters.energy import energy_meter
from tandem.measure.results.comparison import Comparison, JudgedImages, Judgement
from tandem.measure.studies.comparison.foreign import Foreign, foreign_beside
from tandem.measure.studies.comparison.modes import Mode, Pair, matched_pair
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.request import ForeignRequest, Request
from tandem.measure.studies.comparison.results import comparison
from tandem.measure.studies.comparison.run import Findings, conduct
from tandem.measure.studies.comparison.trials import Meters

if TYPE_CHECKING:  # brings onnxruntime, torch and scikit-learn, which a comparison without quality need not wait for
    from tandem.measure.studies.comparison.quality import Assessor

NOT_ASKED = "it was not asked for"


async def loaded(
    request: Request, pair: Pair, modes: Sequence[Mode], meters: Meters, observer: Observer
) -> tuple[Findings, Foreign | None]:
    """Put load on these modes, and on a foreign server. Ctrl-C breaks it off; a second one leaves at once."""
    with stopped_by_hand() as stop:
        async with generator(request.address, stop) as source, _beside(request.foreign, pair, stop) as foreign:
            return await conduct(source, modes, request.settings, meters, observer, foreign), foreign


@contextlib.asynccontextmanager
async def _beside(wanted: ForeignRequest | None, pair: Pair, stop: asyncio.Event) -> AsyncIterator[Foreign | None]:
    if wanted is None:
        yield None
        return
    async with generator(wanted.address, stop) as source:
        yield await foreign_beside(source, wanted.model, pair)


def compare(request: Request, observer: Observer) -> Comparison:
    """Compare; what Ctrl-C or a server that is gone cut short is kept, and the document says so.

    Raises TandemRpcError, TandemError, ModelError, ValueError or OSError if it can't even begin.
    """
    # Not on uvloop: it forks to start the generator's processes, of which grpc complains.
    pair = asyncio.run(matched_pair(request.address, request.sequential, request.parallel))
    judges, meters = assessor_of(request, pair), meters_of(request)
    controls = pair.controls() if request.settings.control else ()
    findings, foreign = asyncio.run(loaded(request, pair, (*pair.modes(), *controls), meters, observer))
    quality, judgement = judged(judges, request, pair.modes(), findings, observer)
    address, settings = request.address, request.settings
    return comparison(address, pair, settings, meters, findings, quality, judgement, foreign)


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
