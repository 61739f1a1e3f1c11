"""A comparison from beginning to end: find the pair, make ready, measure, judge, and make the document."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.meters.cpu import cpu_meter
from tandem.measure.results.comparison import Comparison
from tandem.measure.studies.comparison.beside import pair_beside, third_party_beside
from tandem.measure.studies.comparison.callers import CallersStudy, unjudged
from tandem.measure.studies.comparison.document import comparison
from tandem.measure.studies.comparison.modes import Mode, Pair, find_pair
from tandem.measure.studies.comparison.request import Request
from tandem.measure.studies.study import senders

if TYPE_CHECKING:  # brings onnxruntime, torch and scikit-learn, which a comparison without quality need not wait for
    from tandem.measure.quality.reference import Reference
    from tandem.measure.studies.comparison.quality import Assessor


def run_comparison(request: Request) -> Comparison:
    """Compare; what Ctrl-C or a server that is gone cut short is kept, and the document says so.

    Raises TandemRpcError, TandemError, ModelError, ValueError or OSError if it can't even begin.
    """
    # Not on uvloop: it forks to start the generator's processes, of which grpc complains.
    pair = asyncio.run(find_pair(request.address, request.sequential, request.parallel))
    if not pair.is_matched:
        settings = request.settings.model_copy(update={"quality_images": 0, "control": False})
        request = replace(request, settings=settings, unjudged=pair.unmatched)
    controls = pair.controls() if request.settings.control else ()
    study, _ = measure(request, pair, (*pair.modes(), *controls))
    return comparison(request.address, pair, study)


def measure(request: Request, pair: Pair, modes: Sequence[Mode]) -> tuple[CallersStudy, Reference | None]:
    """Put load on these modes and on what is measured beside them, and judge what they drew; return what was seen, and
    the real images if there was to be a judge. Raises what `run_comparison` does.
    """
    judges = None
    if request.settings.quality_images:
        from tandem.measure.studies.comparison.quality import assessor

        judges = assessor(request.judge, request.reference, pair)
    study = asyncio.run(_put_load(request, pair, modes))
    judge(judges, request, study)
    return study, None if judges is None else judges.reference


async def _put_load(request: Request, pair: Pair, modes: Sequence[Mode]) -> CallersStudy:
    meter = await cpu_meter(request.address, request.metrics)
    foreign, model = request.foreign or ("", "")
    async with senders(request.address, foreign, request.beside) as (source, other, twin):
        study = CallersStudy(source=source, meter=meter, modes=modes, settings=request.settings)
        study.on_stage, study.on_image = request.on_stage, request.on_image
        if foreign:
            study.foreign = await third_party_beside(other, model, pair)
        if request.beside:
            study.beside = await pair_beside(twin, pair, await cpu_meter(request.beside, {}))
        await study.measure()
    return study


def judge(judges: Assessor | None, request: Request, study: CallersStudy) -> None:
    """Keep the quality of what was served, by drawer; Ctrl-C ends it."""
    if judges is None or study.stop_reason:
        reason = study.stop_reason if judges else request.unjudged
        study.judgement = unjudged(reason) if reason else study.judgement
        return
    try:
        models = {mode.drawer: mode.model.name for mode in study.modes}
        most = request.settings.quality_images
        study.quality, study.judgement = judges.assess(study.albums, models, most, request.on_stage)
    except KeyboardInterrupt:
        study.stop_reason, study.judgement = BROKEN_OFF, unjudged(BROKEN_OFF)
