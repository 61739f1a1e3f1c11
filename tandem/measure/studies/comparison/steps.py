"""The study of steps: a sequential image model draws in K steps, for several K, beside a parallel model and a
sequential one that takes none, in the rounds of a comparison; the judge; and likelihoods by `Score`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tandem.client import AsyncTandemClient, TandemRpcError
from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.results.comparison import Comparison, Served
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import MIN_ROUNDS, estimate
from tandem.measure.studies.comparison.callers import CallersStudy
from tandem.measure.studies.comparison.compare import document_of, images_served, measure
from tandem.measure.studies.comparison.modes import Mode, Request, Subjects
from tandem.shared.errors import NotFound
from tandem.shared.models import ModelRepository
from tandem.shared.step_costs import load_step_costs

if TYPE_CHECKING:
    from tandem.measure.quality.reference import Reference

Floats = NDArray[np.float64]


def measure_steps(request: Request, subjects: Subjects) -> Comparison:
    """Measure; what Ctrl-C or a server that is gone cut short is kept, and the document says so. `request.settings` are
    of the load, of the images judged and of how many likelihoods are asked of, if images are judged.

    Raises TandemError, ModelError, ValueError or OSError if it can't even begin.
    """
    request = replace(request, settings=request.settings.model_copy(update={"steps": subjects.steps}))
    study, reference = measure(request, subjects.pair, subjects.modes())
    bits: dict[str, Floats] = {}
    if reference is not None and not study.stop_reason:
        try:
            bits = asyncio.run(
                score(request.address, subjects, reference, request.settings.num_scored, request.on_stage)
            )
        except KeyboardInterrupt:
            study.stop_reason = BROKEN_OFF
        except TandemRpcError as error:
            study.stop_reason = f"likelihoods: {error}"
    predicted = predict_bits(request.judge.parent, subjects.pair.sequential.name, subjects.steps) if bits else {}
    return steps_document(request.address, subjects, study, bits, predicted)


async def score(
    address: str, subjects: Subjects, reference: Reference, num_images: int, on_stage: Callable[[str], None]
) -> dict[str, Floats]:
    """Return bits a token [N] of the first test images of each class, at most `num_images` in all, by mode: of models
    that can tell, and of the same images, as `Score` says. Raises TandemRpcError.
    """
    from tandem.measure.quality.model_verdict import bits_per_token

    num_classes = reference.num_classes
    images = reference.test.balance(num_images // num_classes, num_classes)
    bits = {}
    async with AsyncTandemClient(address) as client:
        able = {model.name for model in await client.list_sequential_models() if model.can_score_images}
        for mode in subjects.modes() if len(images.labels) else ():
            if mode.paradigm == "sequential" and mode.model.name in able:
                on_stage(f"quality: bits a token: {mode.name}")
                bits[mode.name] = await bits_per_token(client, mode.model.name, images, mode.workload.steps)
    return bits


def predict_bits(models: Path, name: str, steps: Sequence[int]) -> dict[int, float]:
    """Return bits a token by the number of steps, by the measured costs of the model's steps, with nothing fitted; none
    if the repository `models` has no such costs.

    A step draws its tokens independently given those of earlier steps, so the bits are a sum over the groups, each
    token at the cost that was measured where its group begins: the Riemann sum of an information curve (Chen, Cong and
    Li 2025, arXiv 2511.04647). The costs are of other images, and of MASK rows, which draw the tokens of fewer than all
    steps. Raises ModelError.
    """
    try:
        model = ModelRepository(models).get(name)
    except NotFound:  # it is served from elsewhere
        return {}
    tokens = model.spec.image_tokens
    if tokens is None or tokens.step_costs is None:
        return {}
    costs = load_step_costs(model.path(tokens.step_costs), tokens.num_tokens)
    return {number: costs.bits(0, tokens.num_tokens, number) / tokens.num_tokens for number in steps}


def steps_document(
    address: str,
    subjects: Subjects,
    study: CallersStudy,
    bits: Mapping[str, Floats],
    predicted: Mapping[int, float],
) -> Comparison:
    """Return the document. `bits`: bits a token of the same N images, by mode: [N]; `predicted`: those that the costs
    of steps come to, by the number of steps.
    """
    modes, most = subjects.modes(), subjects.steps[-1]
    bits_of_most = bits.get(modes[len(subjects.steps) - 1].name)

    def served(mode: Mode) -> Served:
        steps, own = mode.workload.steps, bits.get(mode.name)
        over = predicted_over = None
        if steps is not None and steps < most:
            over = None if own is None or bits_of_most is None else _mean(own - bits_of_most)
            predicted_over = predicted[steps] - predicted[most] if steps in predicted else None
        mean = None if own is None else _mean(own)
        return images_served(mode, study, bits_per_token=mean, bits_over_most=over, predicted_over_most=predicted_over)

    return document_of(
        study,
        address,
        subjects.models,
        modes,
        kind="steps",
        class_names=subjects.pair.class_names,
        contrasts=(),
        served=tuple(map(served, modes)),
        num_scored=max(map(len, bits.values()), default=0),
    )


def _mean(values: Floats) -> Value:
    """Return the mean of values [N] with its 95 % interval by bootstrap."""
    return estimate(lambda rows: float(values[rows].mean()), len(values), 0.95, MIN_ROUNDS)
