"""What a comparison over steps has besides: likelihoods by `Score`, and what the costs of the steps foretell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tandem.client import AsyncTandemClient, TandemRpcError
from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import estimate
from tandem.measure.studies.comparison.callers import CallersStudy
from tandem.measure.studies.comparison.modes import Mode, Pair, Request
from tandem.shared.errors import NotFound
from tandem.shared.models import ModelRepository
from tandem.shared.step_costs import load_step_costs

if TYPE_CHECKING:
    from tandem.measure.quality.reference import Reference

Floats = NDArray[np.float64]


def ask_likelihoods(request: Request, pair: Pair, reference: Reference, study: CallersStudy) -> None:
    """Keep the likelihoods of test images, and those foretold; Ctrl-C and a server that is gone end it. Raises
    ModelError.
    """
    try:
        study.bits = asyncio.run(score(request.address, pair, reference, request.settings.num_scored, request.on_stage))
    except KeyboardInterrupt:
        study.stop_reason = BROKEN_OFF
    except TandemRpcError as error:
        study.stop_reason = f"likelihoods: {error}"
    study.predicted = predict_bits(request.judge.parent, pair.sequential.name, pair.steps) if study.bits else {}


async def score(
    address: str, pair: Pair, reference: Reference, num_images: int, on_stage: Callable[[str], None]
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
        for mode in pair.modes() if len(images.labels) else ():
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


def likelihoods(mode: Mode, study: CallersStudy) -> dict[str, Any]:
    """Return what is known of what draws in this mode, as fields of Served."""
    steps, own, most = mode.workload.steps, study.bits.get(mode.name), max(study.settings.steps, default=0)
    of_most = next((study.bits.get(each.name) for each in study.modes if each.workload.steps == most), None)
    fields: dict[str, Any] = {} if own is None else {"bits_per_token": _mean(own)}
    if steps is not None and steps < most:
        if own is not None and of_most is not None:
            fields["bits_over_most"] = _mean(own - of_most)
        if steps in study.predicted:
            fields["predicted_over_most"] = study.predicted[steps] - study.predicted[most]
    return fields


def _mean(values: Floats) -> Value:
    """Return the mean of values [N] with its 95 % interval by bootstrap."""
    return estimate(lambda rows: float(values[rows].mean()), len(values), 0.95)
