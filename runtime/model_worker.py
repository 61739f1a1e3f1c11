"""The models of one process: loaded by name, found by name, ended together. Knows nothing of what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from tandem.shared.errors import ModelFault, NotFound, Unavailable
from tandem.shared.models import Model, ModelError, ModelRepository


class Part(Protocol):
    """Something that works for a model in the background: an engine, a batcher. See `lifecycle.Worker`."""

    async def wait_dead(self) -> BaseException: ...

    async def stop(self) -> None: ...

    def last_progress(self) -> float | None: ...


class Watch(Protocol):
    """Something that looks at what a model makes, in a thread."""

    def stop(self) -> None: ...


class LoadedModel(Protocol):
    """A model that was loaded, its parts and its watch, if it has one, started."""

    name: str

    @property
    def watch(self) -> Watch | None: ...

    @property
    def parts(self) -> Sequence[Part]: ...


M = TypeVar("M", bound=LoadedModel)


class ModelWorker(Generic[M]):
    """Loads `names` out of the repository with `load`; implements `runtime.process.lifecycle.Worker`."""

    def __init__(self, models_dir: Path, names: Sequence[str], load: Callable[[Model], Awaitable[M]]) -> None:
        self._repository = ModelRepository(models_dir)
        self._names = names
        self._load = load
        self._models: dict[str, M] = {}

    @property
    def models(self) -> list[M]:
        return list(self._models.values())

    def get(self, name: str) -> M:
        """Return the model called `name`, or the only one if it is empty. Raises NotFound, Unavailable."""
        if not self._models:
            raise Unavailable("the models are still loading")
        if not name and len(self._models) == 1:
            return next(iter(self._models.values()))
        if name not in self._models:
            raise NotFound(name, self._models)
        return self._models[name]

    async def start(self) -> None:
        entries = [self._repository.get(name) for name in self._names]
        loaded = [await self._load_model(entry) for entry in entries]
        self._models = {model.name: model for model in loaded}

    async def wait_dead(self) -> BaseException:
        deaths = [asyncio.ensure_future(part.wait_dead()) for part in self._parts()]
        done, _ = await asyncio.wait(deaths, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()

    async def stop(self) -> None:
        for part in self._parts():
            await part.stop()
        for model in self.models:
            if model.watch is not None:
                await asyncio.to_thread(model.watch.stop)

    def last_progress(self) -> float | None:
        moments = [moment for part in self._parts() if (moment := part.last_progress()) is not None]
        return min(moments, default=None)

    async def _load_model(self, entry: Model) -> M:
        try:
            return await self._load(entry)
        except ModelFault:  # its text is about a request, and there is none yet
            raise ModelError(
                f"{entry.name}: gives NaN, infinity or an unknown token when it is warmed up; "
                "its weights are damaged, or too large for what it computes with"
            ) from None

    def _parts(self) -> list[Part]:
        return [part for model in self.models for part in model.parts]
