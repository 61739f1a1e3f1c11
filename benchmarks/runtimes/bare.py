"""A generator with nothing around it: its instances as the service opens them, each in a loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.common.runtimes.calibrator import measure
from services.common.runtimes.session import Feed, Session, rows
from services.gan.generator import Generator, probe
from services.gan.image_model import open_generator
from services.gan.settings import GanSettings
from tandem.shared.models import Model

LARGEST_BATCH = 64


@dataclass(frozen=True)
class BareLoop:
    """Instances with a feed of LARGEST_BATCH samples. `name`: their runtime's, and "int8" if they compute so."""

    name: str
    sessions: Sequence[Session]
    feed: Feed

    def run(self, size: int, seconds: float) -> dict[str, float]:
        """Let every instance run with batches of `size`, after a first time; return images/s and CPU ms an image."""
        feed, output = rows(self.feed, 0, size), self.sessions[0].outputs[0].name
        measure(self.sessions, len(self.sessions), feed, output, 0.0)
        own, clock = time.process_time(), time.monotonic()
        rate = measure(self.sessions, len(self.sessions), feed, output, seconds).by_clock
        used, elapsed = time.process_time() - own, time.monotonic() - clock
        return {"images_per_second": rate, "cpu_ms": used / elapsed / rate * 1e3}


def open_bare_loop(model: Model, folder: Path, **settings: str) -> BareLoop:
    """Open a model of the repository `folder`; `settings` are those of the service. Raises ModelError."""
    image = model.spec.image
    assert image is not None
    chosen = GanSettings.model_validate({"models_dir": folder, "models": [model.name], **settings})
    opened = open_generator(model, image, chosen)
    assert opened.calibration is not None, "the bare loop is the CPU's"
    configuration = opened.configuration
    name = configuration.runtime + (" int8" if configuration.precision == "int8" else "")
    sessions = opened.sessions[: configuration.num_instances]
    return BareLoop(name, sessions, Generator(sessions[0], image).feed(probe(image, LARGEST_BATCH)))
