"""What a text engine must offer to be measured beside others: set-up, a command that serves it, and its dialect.

Prompts are token ids, decoding is greedy, and the end token does not end an output: all engines do the same work.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

_HEALTH_SECONDS = 2.0


@dataclass(frozen=True)
class Need:
    """What a server must hold for a workload. `num_context_tokens`: prompt and output of one sequence."""

    num_sequences: int
    num_context_tokens: int


@dataclass(frozen=True)
class Dialect:
    """How an engine is asked by the tester's `api`, and which tokens its messages name.

    `request` serialises a prompt and how many tokens are to follow; `tokens` has the messages of a reply.
    """

    api: Literal["tandem", "openai"]
    model: str
    request: Callable[[list[int], int], bytes]
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
    server on 127.0.0.1:port, and `is_ready` says whether it answers and is warm.
    """

    name: str
    dialect: Dialect
    set_up: Callable[[], dict[str, str]]
    command: Callable[[Need, int], tuple[str, ...]]
    is_ready: Callable[[int], bool] = is_healthy


def _request(prompt: list[int], num_tokens: int) -> bytes:
    body = {"model": "model", "prompt": prompt, "max_tokens": num_tokens, "temperature": 0, "ignore_eos": True}
    options = {"stream": True, "stream_options": {"include_usage": True}, "return_token_ids": True}
    return json.dumps({**body, **options}).encode()


def _tokens(messages: Sequence[bytes]) -> list[int]:
    events = [json.loads(message) for message in messages if message.startswith(b"{")]
    return [token for event in events for choice in event["choices"] for token in choice.get("token_ids") or ()]


COMPLETIONS = Dialect("openai", "model", _request, _tokens)
"""OpenAI's, with vLLM's `return_token_ids` and `ignore_eos`."""
