"""Whether a model can be served: its own backend loads it, warms it up and stops it, as at the start of `tandem up`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from runtime.metrics import new_registry
from runtime.model_worker import ModelWorker
from tandem.cli.failures import INTERRUPTED
from tandem.shared.models import Model


def try_serving(model: Model) -> None:
    """Load a transformer or a GAN, and let go of it again.

    Raises what ends the backend at its start: ModelError, ProviderError. A setting that is not accepted exits with 2.
    Ctrl-C ends the process at once, as the thread that loads cannot be interrupted.
    """
    from runtime.process.lifecycle import end_now

    async def start_and_stop() -> None:
        worker = _worker(model)
        try:
            await worker.start()
        finally:
            await worker.stop()

    try:
        asyncio.run(start_and_stop())
    except KeyboardInterrupt:
        end_now(INTERRUPTED)


def _worker(model: Model) -> ModelWorker[Any]:
    """Return what holds the models of the backend, with its settings from the environment and tandem.toml."""
    words = ["--models-dir", str(model.folder.parent), "--models", json.dumps([model.name])]
    if model.spec.kind == "transformer":
        from services.ar.loading import ArWorker
        from services.ar.metrics import ArMetrics
        from services.ar.settings import ArSettings

        return ArWorker(ArSettings.from_command_line("services.ar", words), ArMetrics(new_registry()))
    from services.gan.image_model import GanWorker
    from services.gan.metrics import GanMetrics
    from services.gan.settings import GanSettings

    return GanWorker(GanSettings.from_command_line("services.gan", words), GanMetrics(new_registry()))
