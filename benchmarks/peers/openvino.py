"""OpenVINO GenAI, int8 from a Q8_0 GGUF file, behind a small HTTP server of ours (`openvino_server`)."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.completions import COMPLETIONS, is_healthy
from benchmarks.peers.engine import Dialect, Need
from benchmarks.peers.installing import make_virtual_environment, once

VERSION = "2026.4.1.0"
PACKAGES = [f"openvino-genai=={VERSION}", "aiohttp>=3.12"]


def _install(folder: Path) -> None:
    make_virtual_environment(folder / "venv", folder / "log", PACKAGES)


@dataclass(frozen=True)
class OpenVino:
    """Two servers: one with the prefix cache, which is off by default, and one without."""

    folder: Path
    weights: Path
    is_static_batch: bool = False
    dialect: Dialect = COMPLETIONS

    @property
    def name(self) -> str:
        return "OpenVINO int8"

    def set_up(self) -> dict[str, str]:
        once(self.folder / "openvino", str(PACKAGES), _install)
        return {"openvino-genai": VERSION}

    def command(self, need: Need, port: int) -> tuple[str, ...]:
        python = str(self.folder / "openvino/venv/bin/python")
        flags = ("--port", str(port), "--weights", str(self.weights))
        cache = ("--prefix-cache",) if need.prefix_cache else ()
        return (python, "-m", "benchmarks.peers.openvino_server", *flags, *cache)

    def is_ready(self, port: int) -> bool:
        return is_healthy(port)
