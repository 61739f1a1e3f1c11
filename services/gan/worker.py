"""All image models of one process, as the lifecycle sees them; implements `runtime.lifecycle.Worker`."""

import asyncio
import gc

from runtime.errors import NotFound, Unavailable
from runtime.models import ModelRepository
from services.gan.image_model import ImageModel, load_and_start
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings


class GanWorker:
    """Loads the models named in the settings and owns their batchers."""

    def __init__(self, settings: GanSettings, metrics: GanMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._models: dict[str, ImageModel] = {}

    @property
    def models(self) -> list[ImageModel]:
        return list(self._models.values())

    def get(self, name: str) -> ImageModel:
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
        loaded = [await load_and_start(entry, self._settings, self._metrics) for entry in entries]
        self._models = {model.name: model for model in loaded}
        # What has been made up to here lives as long as the process; collections need not look at it.
        gc.collect()
        gc.freeze()

    async def wait_dead(self) -> BaseException:
        deaths = [asyncio.ensure_future(each.wait_dead()) for model in self.models for each in model.batchers]
        done, _ = await asyncio.wait(deaths, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()

    async def stop(self) -> None:
        for model in self.models:
            for batcher in model.batchers:
                await batcher.stop()

    def last_progress(self) -> float | None:
        batchers = [batcher for model in self.models for batcher in model.batchers]
        moments = [moment for batcher in batchers if (moment := batcher.last_progress()) is not None]
        return min(moments, default=None)
