"""The parallel backend, its ONNX files taking for ever to open. Takes the flags of `python -m services.gan`.

Prints "loading" once it waits.
"""

import threading
from typing import Any

from runtime.process.lifecycle import run_process
from runtime.process.logs import configure_logging
from services.gan import image_model
from services.gan.__main__ import main
from services.gan.settings import GanSettings


def never_opened(*_: Any) -> None:
    print("loading", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    image_model.open_generator = never_opened  # type: ignore[assignment]
    configure_logging("INFO")
    run_process(main(GanSettings.from_command_line("services.gan")))
