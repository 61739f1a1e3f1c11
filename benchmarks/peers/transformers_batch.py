"""Hugging Face transformers, static batches, in a process of its own (`transformers_server`) and our environment."""

import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.completions import COMPLETIONS, connect, is_healthy
from benchmarks.peers.engine import Connection, Need


@dataclass(frozen=True)
class TransformersBatch:
    """`generate` on dense weights; in float32 the reference that outputs are checked against."""

    weights: Path
    dtype: str = "bfloat16"
    is_static_batch: bool = True

    @property
    def name(self) -> str:
        return f"transformers {self.dtype}"

    def set_up(self) -> dict[str, str]:
        return {name: version(name) for name in ("transformers", "torch")}

    def command(self, need: Need, port: int) -> tuple[str, ...]:
        flags = ("--port", str(port), "--weights", str(self.weights), "--dtype", self.dtype)
        return (sys.executable, "-m", "benchmarks.peers.transformers_server", *flags)

    async def is_ready(self, port: int) -> bool:
        return await is_healthy(port)

    def connect(self, port: int) -> AbstractAsyncContextManager[Connection]:
        return connect(port, COMPLETIONS)
