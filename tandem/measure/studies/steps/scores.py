"""How likely test images are under each number of steps, asked by `Score`. Knows no clock."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tandem.client import AsyncTandemClient
from tandem.measure.quality.model_verdict import bits_per_token
from tandem.measure.quality.reference import Reference
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.steps.subjects import Subjects

Floats = NDArray[np.float64]


async def scores(
    address: str, subjects: Subjects, reference: Reference, num_images: int, observer: Observer
) -> dict[str, Floats]:
    """Return bits a token [N] of the first test images of each class, at most `num_images` in all, by mode: of models
    that can tell, and of the same images. Raises TandemRpcError.
    """
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
