"""Hugging Face transformers, static batches, in a process of its own (`transformers_server`) and our environment."""

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.completions import COMPLETIONS, is_healthy
from benchmarks.peers.engine import Dialect, Need


@dataclass(frozen=True)
class TransformersBatch:
    """`generate` on dense weights; in float32 the reference that outputs are checked against."""

    weights: Path
    dtype: str = "bfloat16"
    is_static_batch: bool = True
    dialect: Dialect = COMPLETIONS

    @property
    def name(self) -> str:
        return f"transformers {self.dtype}"

    def set_up(self) -> dict[str, str]:
        return {name: version(name) for name in ("transformers", "torch")}

    def command(self, need: Need, port: int) -> tuple[str, ...]:
        flags = ("--port", str(port), "--weights", str(self.weights), "--dtype", self.dtype)
        return (sys.executable, "-m", "benchmarks.peers.transformers_server", *flags)

    def is_ready(self, port: int) -> bool:
        return is_healthy(port)
