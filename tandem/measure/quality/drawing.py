"""Images from a model behind the gateway, by the model's own paradigm. Knows nothing of quality."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tandem.client import AsyncTandemClient, NotReachable, ParallelModel, SequentialModel, TandemRpcError
from tandem.measure.quality.reference import without_grey_axis
from tandem.shared.errors import InvalidArgument, NotFound

Pixels = npt.NDArray[np.uint8]
Advance = Callable[[int], object]
ImageModel: TypeAlias = SequentialModel | ParallelModel

REQUESTS_AT_A_TIME = 64
SEEDS_A_RUN = 2**32

_SETTINGS = {"sequential": ("temperature", "top_p", "steps"), "parallel": ("truncation",)}

SEEDS = {
    "sequential": "image i is a request of its own with seed * 2^32 + i",
    "parallel": "image i is drawn from (seed, i)",
}
"""How images come from the one seed, by paradigm."""


@dataclass(frozen=True)
class Sampling:
    """How to draw. Sequential models have `temperature`, `top_p` and, some, `steps`; parallel ones `truncation`.

    None: not given.
    """

    seed: int
    temperature: float | None = None
    top_p: float | None = None
    truncation: float | None = None
    steps: int | None = None


def paradigm_of(model: ImageModel) -> str:
    return "sequential" if isinstance(model, SequentialModel) else "parallel"


async def served_model(client: AsyncTandemClient, name: str) -> ImageModel:
    """Return the model called `name`, of either paradigm, whatever it makes. Raises NotFound."""
    found: list[ImageModel] = [
        *await _list_models(client.list_parallel_models),
        *await _list_models(client.list_sequential_models),
    ]
    model = next((model for model in found if model.name == name), None)
    if model is None:
        raise NotFound(name, [model.name for model in found])
    return model


async def find_model(client: AsyncTandemClient, name: str) -> ImageModel:
    """Return the model called `name`, of either paradigm. Raises NotFound; InvalidArgument if it makes no images."""
    model = await served_model(client, name)
    if isinstance(model, SequentialModel) and model.modality != "image":
        raise InvalidArgument("model", name, "a model that makes images")
    return model


async def _list_models(listing: Any) -> tuple[Any, ...]:
    """Return one paradigm's models, none if its backend is away or not behind this address."""
    try:
        return tuple(await listing())
    except NotReachable:
        raise
    except TandemRpcError as error:
        if error.code in ("UNAVAILABLE", "UNIMPLEMENTED"):
            return ()
        raise


def settings_of(model: ImageModel, sampling: Sampling) -> dict[str, float | None]:
    """Return the settings that models of this paradigm have; None: not given. Raises InvalidArgument if others are."""
    own = _SETTINGS[paradigm_of(model)]
    for name, value in asdict(sampling).items():
        if value is not None and name not in ("seed", *own):
            raise InvalidArgument(name, value, f"{', '.join(own)} alone, as {model.name} is {paradigm_of(model)}")
    return {name: getattr(sampling, name) for name in own}


async def draw(
    client: AsyncTandemClient, model: ImageModel, labels: npt.NDArray[np.int64], sampling: Sampling, advance: Advance
) -> Pixels:
    """Return one image, as a `Split` has it, for each of `labels` [N]; `advance` is told how many more there are."""
    settings_of(model, sampling)
    drawing = _draw_sequential if isinstance(model, SequentialModel) else _draw_parallel
    return without_grey_axis(await drawing(client, model.name, labels.tolist(), sampling, advance))


async def _draw_parallel(
    client: AsyncTandemClient, name: str, labels: list[int], sampling: Sampling, advance: Advance
) -> Pixels:
    parts = []
    async for part in client.sample_stream(
        len(labels), model=name, labels=labels, seed=sampling.seed, truncation=sampling.truncation, encoding="uint8"
    ):
        parts.append(part.to_uint8())
        advance(len(part))
    return np.concatenate(parts)


async def _draw_sequential(
    client: AsyncTandemClient, name: str, labels: list[int], sampling: Sampling, advance: Advance
) -> Pixels:
    turnstile = asyncio.Semaphore(REQUESTS_AT_A_TIME)

    async def one(index: int, label: int) -> Pixels:
        async with turnstile:
            seed = sampling.seed * SEEDS_A_RUN + index
            completion = await client.complete(
                label=label,
                model=name,
                seed=seed,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                steps=sampling.steps,
            )
        if completion.images is None:
            raise InvalidArgument("model", name, "a model that makes images; its replies have none")
        advance(1)
        return completion.images.to_uint8()  # [1, H, W, C]

    tasks = [asyncio.ensure_future(one(index, label)) for index, label in enumerate(labels)]
    try:
        return np.concatenate(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
