"""A measurement over steps from beginning to end: load, in the rounds of a comparison; the judge; `Score`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tandem.client import TandemRpcError
from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.results.steps import Settings, Steps
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.request import Request
from tandem.measure.studies.comparison.run import Findings
from tandem.measure.studies.comparison.session import assessor_of, judged, loaded, meters_of
from tandem.measure.studies.steps.results import Floats, Seen, steps_document
from tandem.measure.studies.steps.subjects import Subjects

if TYPE_CHECKING:
    from tandem.measure.studies.comparison.quality import Assessor


def measure_steps(request: Request, subjects: Subjects, num_scored: int, observer: Observer) -> Steps:
    """Measure; what Ctrl-C or a server that is gone cut short is kept, and the document says so. `request.settings` are
    of the load and of the images judged; likelihoods are asked of `num_scored` test images, if images are judged.

    Raises TandemError, ModelError, ValueError or OSError if it can't even begin.
    """
    judges, meters = assessor_of(request, subjects.pair), meters_of(request)
    findings, _ = asyncio.run(loaded(request, subjects.pair, subjects.modes(), meters, observer))
    quality, judgement = judged(judges, request, subjects.modes(), findings, observer)
    bits = _scored(judges, request, subjects, num_scored, findings, observer)
    settings = Settings(steps=subjects.steps, num_scored=num_scored, load=request.settings)
    seen = Seen(findings, judgement, quality, bits)
    return steps_document(request.address, subjects, settings, meters, seen)


def _scored(
    judges: Assessor | None,
    request: Request,
    subjects: Subjects,
    num_images: int,
    findings: Findings,
    observer: Observer,
) -> dict[str, Floats]:
    if judges is None or findings.stop_reason:
        return {}
    from tandem.measure.studies.steps.scores import scores

    try:
        return asyncio.run(scores(request.address, subjects, judges.reference, num_images, observer))
    except KeyboardInterrupt:
        findings.stop_reason = BROKEN_OFF
    except TandemRpcError as error:
        findings.stop_reason = f"likelihoods: {error}"
    return {}
