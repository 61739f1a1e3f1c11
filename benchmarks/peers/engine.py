"""What a text engine must offer to be measured beside others: set-up, a command that serves it, and its dialect.

Prompts are token ids, decoding is greedy, and the end token does not end an output: all engines do the same work.
"""

import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Prompt = list[int]

_HEALTH_SECONDS = 2.0


@dataclass(frozen=True)
class Need:
    """What a server must hold for a workload."""

    num_sequences: int
    num_context_tokens: int  # prompt and output of one sequence
    prefix_cache: bool = False


@dataclass(frozen=True)
class Question:
    """One request: of one prompt, unless the engine takes static batches."""

    prompts: list[Prompt]
    num_tokens: int  # of each prompt's output


@dataclass(frozen=True)
class Dialect:
    """How an engine is asked by the load generator's `api`, and which tokens its messages name.

    `request` serialises a question; `tokens` has the messages of a reply to one that asked for a single output.
    """

    api: Literal["tandem", "openai"]
    model: str
    request: Callable[[Question], bytes]
    tokens: Callable[[Sequence[bytes]], list[int]]


def is_healthy(port: int) -> bool:
    """Say whether GET /health is answered with 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=_HEALTH_SECONDS) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@dataclass(frozen=True)
class Engine:
    """One engine with one kind of weights; `name` as tables show it.

    `set_up` installs what is missing, returns the versions of what is used, and raises CannotSetUp. `command` starts a
    server on 127.0.0.1:port, and `is_ready` says whether it answers and is warm. `is_static_batch`: several prompts are
    served together only when they come in one request.
    """

    name: str
    dialect: Dialect
    set_up: Callable[[], dict[str, str]]
    command: Callable[[Need, int], tuple[str, ...]]
    is_ready: Callable[[int], bool] = is_healthy
    is_static_batch: bool = False
