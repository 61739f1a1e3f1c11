"""All image models of one process."""

import asyncio
from functools import partial

from runtime.model_worker import ModelWorker
from services.gan.image_model import ImageModel, load_and_start
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings


class GanWorker(ModelWorker[ImageModel]):
    """Loads the models named in the settings and owns their batchers and watches."""

    def __init__(self, settings: GanSettings, metrics: GanMetrics) -> None:
        load = partial(load_and_start, settings=settings, metrics=metrics)
        super().__init__(settings.models_dir, settings.models, load)

    async def stop(self) -> None:
        await super().stop()
        for model in self.models:
            if model.watch is not None:
                await asyncio.to_thread(model.watch.stop)
