"""ik_llama.cpp, a fork that is known for its speed on CPUs: its Python package behind a small HTTP server of ours."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.completions import COMPLETIONS, is_healthy
from benchmarks.peers.engine import Dialect, Need
from benchmarks.peers.installing import make_virtual_environment, once

VERSION = "0.1.5"
PACKAGES = [f"ik-llama-cpp-python=={VERSION}", "aiohttp>=3.12"]  # wheels for AVX2, as pip brings them


def _install(folder: Path) -> None:
    make_virtual_environment(folder / "venv", folder / "log", PACKAGES)


@dataclass(frozen=True)
class IkLlama:
    """A server for each need, with as many slots as there are requests at a time."""

    folder: Path
    weights: Path
    precision: str
    is_static_batch: bool = False
    dialect: Dialect = COMPLETIONS

    @property
    def name(self) -> str:
        return f"ik_llama.cpp {self.precision}"

    def set_up(self) -> dict[str, str]:
        once(self.folder / "ik_llama", str(PACKAGES), _install)
        return {"ik-llama-cpp-python": VERSION}

    def command(self, need: Need, port: int) -> tuple[str, ...]:
        python = str(self.folder / "ik_llama/venv/bin/python")
        cache = ("--prefix-cache",) if need.prefix_cache else ()
        return (
            *(python, "-m", "benchmarks.peers.ik_llama_server", "--port", str(port), "--weights", str(self.weights)),
            *("--slots", str(need.num_sequences), "--slot-tokens", str(need.num_context_tokens), *cache),
        )

    def is_ready(self, port: int) -> bool:
        return is_healthy(port)
