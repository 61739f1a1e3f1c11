"""A measurement over steps from beginning to end: load, in the rounds of a comparison; the judge; `Score`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tandem.client import AsyncTandemClient, TandemRpcError
from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.results.steps import Settings, Steps
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.request import Request
from tandem.measure.studies.comparison.session import measured
from tandem.measure.studies.steps.prediction import predicted_bits
from tandem.measure.studies.steps.results import Floats, steps_document
from tandem.measure.studies.steps.subjects import Subjects

if TYPE_CHECKING:
    from tandem.measure.quality.reference import Reference


def measure_steps(request: Request, subjects: Subjects, num_scored: int, observer: Observer) -> Steps:
    """Measure; what Ctrl-C or a server that is gone cut short is kept, and the document says so. `request.settings` are
    of the load and of the images judged; likelihoods are asked of `num_scored` test images, if images are judged.

    Raises TandemError, ModelError, ValueError or OSError if it can't even begin.
    """
    findings, reference = measured(request, subjects.pair, subjects.modes(), observer)
    bits = {}
    if reference is not None and not findings.stop_reason:
        try:
            bits = asyncio.run(scores(request.address, subjects, reference, num_scored, observer))
        except KeyboardInterrupt:
            findings.stop_reason = BROKEN_OFF
        except TandemRpcError as error:
            findings.stop_reason = f"likelihoods: {error}"
    settings = Settings(steps=subjects.steps, num_scored=num_scored, load=request.settings)
    predicted = predicted_bits(request.judge.parent, subjects.pair.sequential.name, subjects.steps) if bits else {}
    return steps_document(request.address, subjects, settings, findings, bits, predicted)


async def scores(
    address: str, subjects: Subjects, reference: Reference, num_images: int, observer: Observer
) -> dict[str, Floats]:
    """Return bits a token [N] of the first test images of each class, at most `num_images` in all, by mode: of models
    that can tell, and of the same images, as `Score` says. Raises TandemRpcError.
    """
    from tandem.measure.quality.model_verdict import bits_per_token

    num_classes = reference.num_classes
    images = reference.test.balanced(num_images // num_classes, num_classes)
    found = {}
    async with AsyncTandemClient(address) as client:
        able = {each.name for each in await client.list_sequential_models() if each.can_score_images}
        for mode in subjects.modes() if len(images.labels) else ():
            if mode.paradigm == "sequential" and mode.model.name in able:
                observer.judging(f"bits a token: {mode.name}")
                found[mode.name] = await bits_per_token(client, mode.model.name, images, mode.workload.steps)
    return found
