"""All sequential models of one process."""

import asyncio
from functools import partial

from runtime.model_worker import ModelWorker
from services.ar.api.sequential_model import SequentialModel
from services.ar.loading import load_and_start
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from tandem.shared.file_hashes import FileHashes

# The kind of prompt says which kind of model it needs; token ids fit any.
_MODALITIES = {"text": "text", "chat": "text", "texts": "text", "class_label": "image", "images": "image"}


class ArWorker(ModelWorker[SequentialModel]):
    """Loads the models named in the settings and owns their engines, batchers and watches."""

    def __init__(self, settings: ArSettings, metrics: ArMetrics, hashes: FileHashes | None = None) -> None:
        load = partial(load_and_start, settings=settings, metrics=metrics, hashes=hashes)
        super().__init__(settings.models_dir, settings.models, load)

    async def stop(self) -> None:
        await super().stop()
        for model in self.models:
            if model.watch is not None:
                await asyncio.to_thread(model.watch.stop)

    def get_for(self, name: str, kind: str | None, in_steps: bool = False) -> SequentialModel:
        """Return the model called `name`; if it is empty, the only one, or the only one that takes content of `kind`.

        `kind` is the name of a prompt's or a content's field. Of several image models it is the only one that takes
        steps, if the request is to be done `in_steps`, or else the only one that takes none. Raises NotFound,
        Unavailable.
        """
        wanted = _MODALITIES.get(kind or "")
        fitting = [model for model in self.models if model.description.modality == wanted]
        if wanted == "image" and len(fitting) > 1:
            fitting = [model for model in fitting if model.takes_steps == in_steps]
        return fitting[0] if not name and len(fitting) == 1 else self.get(name)
