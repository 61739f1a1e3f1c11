"""All language models of one process."""

from functools import partial

from runtime.model_worker import ModelWorker
from services.ar.language_model import LanguageModel, load_and_warm_up
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings


class ArWorker(ModelWorker[LanguageModel]):
    """Loads the models named in the settings and owns their engines."""

    def __init__(self, settings: ArSettings, metrics: ArMetrics) -> None:
        load = partial(load_and_warm_up, settings=settings, metrics=metrics)
        super().__init__(settings.models_dir, settings.models, load)
