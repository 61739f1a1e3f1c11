"""Engines that stream OpenAI's completions over HTTP: what they are asked, and which tokens their events name."""

import json
from collections.abc import Sequence

from benchmarks.peers.engine import Dialect, Question


def _request(question: Question) -> bytes:
    prompts = question.prompts
    body = {
        "model": "model",
        "prompt": prompts if len(prompts) > 1 else prompts[0],
        "max_tokens": question.num_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
    }
    return json.dumps(body).encode()


def _tokens(messages: Sequence[bytes]) -> list[int]:
    events = [json.loads(message) for message in messages if message.startswith(b"{")]
    return [token for event in events for choice in event["choices"] for token in choice.get("token_ids") or ()]


COMPLETIONS = Dialect("openai", "model", _request, _tokens)
"""OpenAI's, with vLLM's `return_token_ids` and `ignore_eos`."""
