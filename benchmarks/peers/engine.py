"""What a text engine must offer to be measured beside others: set-up, a command that serves it, and a stream of tokens.

Prompts are token ids, decoding is greedy, and the end token does not end an output: all engines do the same work.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

Prompt = list[int]
Arrival = tuple[int, list[int]]  # which prompt of the request, and its next token ids


@dataclass(frozen=True)
class Need:
    """What a server must hold for a workload."""

    num_sequences: int
    num_context_tokens: int  # prompt and output of one sequence
    prefix_cache: bool = False


class Connection(Protocol):
    """A client's connection to a server that runs."""

    def stream(self, prompts: list[Prompt], num_tokens: int, use_cache: bool) -> AsyncIterator[Arrival]:
        """Send one request, of one prompt unless the engine takes static batches; yield what arrives."""


class Engine(Protocol):
    """One engine with one kind of weights."""

    @property
    def name(self) -> str:
        """As tables show it."""

    @property
    def is_static_batch(self) -> bool:
        """True if several prompts are served together only when they come in one request."""

    def set_up(self) -> dict[str, str]:
        """Install what is missing; return the versions of what is used. Raises CannotSetUp."""

    def command(self, need: Need, port: int) -> tuple[str, ...]:
        """Return what starts a server on 127.0.0.1:port."""

    async def is_ready(self, port: int) -> bool:
        """Say whether the server answers and is warm."""

    def connect(self, port: int) -> AbstractAsyncContextManager[Connection]:
        """Open a connection."""
