"""All language models of one process, as the lifecycle sees them; implements `runtime.lifecycle.Worker`."""

import asyncio
import gc

from runtime.errors import NotFound, Unavailable
from runtime.models import ModelRepository
from services.ar.language_model import LanguageModel, load_and_warm_up
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings


class ArWorker:
    """Loads the models named in the settings and owns their engines."""

    def __init__(self, settings: ArSettings, metrics: ArMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._models: dict[str, LanguageModel] = {}

    @property
    def models(self) -> list[LanguageModel]:
        return list(self._models.values())

    def get(self, name: str) -> LanguageModel:
        """Return the model called `name`, or the only one if it is empty. Raises NotFound, Unavailable."""
        if not self._models:
            raise Unavailable("the models are still loading")
        if not name and len(self._models) == 1:
            return next(iter(self._models.values()))
        if name not in self._models:
            raise NotFound(name, self._models)
        return self._models[name]

    async def start(self) -> None:
        repository = ModelRepository(self._settings.models_dir)
        entries = [repository.get(name) for name in self._settings.models]
        loaded = [await load_and_warm_up(entry, self._settings, self._metrics) for entry in entries]
        self._models = {model.name: model for model in loaded}
        # An opened checkpoint is a large cyclic structure; what remains lives as long as the process.
        gc.collect()
        gc.freeze()

    async def wait_dead(self) -> BaseException:
        deaths = [asyncio.ensure_future(model.engine.wait_dead()) for model in self.models]
        done, _ = await asyncio.wait(deaths, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()

    async def stop(self) -> None:
        for model in self.models:
            await model.engine.stop()

    def last_progress(self) -> float | None:
        moments = [moment for model in self.models if (moment := model.engine.last_progress()) is not None]
        return min(moments, default=None)
