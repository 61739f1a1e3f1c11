"""What a text engine must offer to be measured beside others: set-up, a command that serves it, and its dialect.

Prompts are token ids, decoding is greedy, and the end token does not end an output: all engines do the same work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Prompt = list[int]


@dataclass(frozen=True)
class Need:
    """What a server must hold for a workload."""

    num_sequences: int
    num_context_tokens: int  # prompt and output of one sequence
    prefix_cache: bool = False


@dataclass(frozen=True)
class Question:
    """One request: of one prompt, unless the engine takes static batches. `names_tokens`: the reply must say which."""

    prompts: list[Prompt]
    num_tokens: int  # of each prompt's output
    use_cache: bool = False
    names_tokens: bool = False


@dataclass(frozen=True)
class Dialect:
    """How an engine is asked by the load generator's `api`, and which tokens its messages name.

    `request` serialises a question; `tokens` has the messages of a reply to one that asked for a single output.
    """

    api: Literal["tandem", "openai"]
    model: str
    request: Callable[[Question], bytes]
    tokens: Callable[[Sequence[bytes]], list[int]]


class Engine(Protocol):
    """One engine with one kind of weights."""

    @property
    def name(self) -> str:
        """As tables show it."""

    @property
    def is_static_batch(self) -> bool:
        """True if several prompts are served together only when they come in one request."""

    @property
    def dialect(self) -> Dialect:
        """How it is asked."""

    def set_up(self) -> dict[str, str]:
        """Install what is missing; return the versions of what is used. Raises CannotSetUp."""

    def command(self, need: Need, port: int) -> tuple[str, ...]:
        """Return what starts a server on 127.0.0.1:port."""

    def is_ready(self, port: int) -> bool:
        """Say whether the server answers and is warm."""
