"""A sequential backend with a tiny random text model: the paths of text, at next to no cost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tandem.cli.servers.child import ChildSpec
from tandem.cli.servers.ports import HOST, free_ports
from tests.faults.server import OwnServer, Server
from tests.tiny_models import add_to_repository

TEXT_MODEL = "tiny"


@contextmanager
def text_server(folder: Path) -> Iterator[Server]:
    """Make the model in `folder` and run the backend; it may not be ready yet."""
    add_to_repository(folder, TEXT_MODEL)
    port, metrics_port = free_ports(2)
    words = ("--port", str(port), "--metrics-port", str(metrics_port), "--models-dir", str(folder))
    command = (sys.executable, "-m", "services.ar", *words, "--models", TEXT_MODEL, "--max-context-tokens", "512")
    spec = ChildSpec("text", command, f"{HOST}:{port}")
    own = OwnServer(spec, f"http://{HOST}:{metrics_port}/metrics", folder / "text.log")
    own.start()
    try:
        yield own.server
    finally:
        own.end()
