"""A comparison from beginning to end: find the pair, make ready, measure, judge, and make the document."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from tandem.measure.generator.generator import BROKEN_OFF, generator, stopped_by_hand
from tandem.measure.meters.cpu import CpuMeter, cpu_meter
from tandem.measure.results.comparison import Comparison, JudgedImages, Judgement
from tandem.measure.studies.comparison.beside import served_beside
from tandem.measure.studies.comparison.foreign import foreign_beside
from tandem.measure.studies.comparison.modes import Mode, Pair, find_pair
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.request import Request
from tandem.measure.studies.comparison.results import comparison
from tandem.measure.studies.comparison.run import NOT_ASKED, Findings, conduct, unjudged

if TYPE_CHECKING:  # brings onnxruntime, torch and scikit-learn, which a comparison without quality need not wait for
    from tandem.measure.quality.reference import Reference
    from tandem.measure.studies.comparison.quality import Assessor


def compare(request: Request, observer: Observer) -> Comparison:
    """Compare; what Ctrl-C or a server that is gone cut short is kept, and the document says so.

    Raises TandemRpcError, TandemError, ModelError, ValueError or OSError if it can't even begin.
    """
    # Not on uvloop: it forks to start the generator's processes, of which grpc complains.
    pair = asyncio.run(find_pair(request.address, request.sequential, request.parallel))
    if not pair.is_matched:
        settings = request.settings.model_copy(update={"quality_images": 0, "control": False})
        request = replace(request, settings=settings, unjudged=pair.unmatched)
    controls = pair.controls() if request.settings.control else ()
    findings, _ = measured(request, pair, pair.modes(), observer, controls)
    return comparison(request.address, pair, request.settings, findings)


def measured(
    request: Request, pair: Pair, modes: Sequence[Mode], observer: Observer, controls: Sequence[Mode] = ()
) -> tuple[Findings, Reference | None]:
    """Put load on these modes, their controls and a foreign server, and judge what the modes drew; return what was
    seen, and the real images if there was to be a judge. Raises what `compare` does.
    """
    judges = None
    if request.settings.quality_images:
        from tandem.measure.studies.comparison.quality import assessor

        judges = assessor(request.judge, request.reference, pair)
    meter = asyncio.run(cpu_meter(request.address, request.metrics))
    findings = asyncio.run(_loaded(request, pair, (*modes, *controls), meter, observer))
    findings.quality, findings.judgement = judged(judges, request, modes, findings, observer)
    return findings, None if judges is None else judges.reference


async def _loaded(request: Request, pair: Pair, modes: Sequence[Mode], meter: CpuMeter, observer: Observer) -> Findings:
    """Ctrl-C breaks it off; a second one leaves at once."""
    with stopped_by_hand() as stop:
        async with AsyncExitStack() as stack:
            source = await stack.enter_async_context(generator(request.address, stop))
            foreign = None
            if wanted := request.foreign:
                theirs = await stack.enter_async_context(generator(wanted.address, stop))
                foreign = await foreign_beside(theirs, wanted.model, pair)
            beside = None
            if request.beside:
                others = await stack.enter_async_context(generator(request.beside, stop))
                own = await cpu_meter(request.beside, {})
                beside = await served_beside(others, pair, own)
            return await conduct(source, modes, request.settings, meter, observer, foreign, beside)


def judged(
    judges: Assessor | None, request: Request, modes: Sequence[Mode], findings: Findings, observer: Observer
) -> tuple[dict[str, JudgedImages], Judgement]:
    """Return the quality of what was served, by drawer; a Ctrl-C is noted in `findings`."""
    if judges is None:
        return {}, unjudged(request.unjudged or NOT_ASKED)
    if findings.stop_reason:
        return {}, unjudged(findings.stop_reason)
    try:
        drawn_by = {mode.drawer: mode.model.name for mode in modes}
        return judges.assess(findings.albums, drawn_by, request.settings.quality_images, observer)
    except KeyboardInterrupt:
        findings.stop_reason = BROKEN_OFF
        return {}, unjudged(BROKEN_OFF)
