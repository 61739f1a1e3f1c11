"""Engines that stream OpenAI's completions over HTTP: what they are asked, and which tokens their events name."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers.engine import Dialect, Question


def completion(question: Question, **more: Any) -> bytes:
    """Return the body of a request; `more` are fields that an engine takes besides OpenAI's."""
    prompts = question.prompts
    body = {
        "model": "model",
        "prompt": prompts if len(prompts) > 1 else prompts[0],
        "max_tokens": question.num_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return json.dumps({**body, **more}).encode()


def choices(messages: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the choices of all events; one without any is the usage, or the mark of the end."""
    for message in messages:
        if message.startswith(b"{"):
            yield from json.loads(message)["choices"]


def _request(question: Question) -> bytes:
    return completion(question, return_token_ids=True)


def _tokens(messages: Sequence[bytes]) -> list[int]:
    return [token for choice in choices(messages) for token in choice.get("token_ids") or ()]


COMPLETIONS = Dialect("openai", "model", _request, _tokens)
"""OpenAI's, with vLLM's `return_token_ids` and `ignore_eos`."""
