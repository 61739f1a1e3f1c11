"""A client of engines that stream completions over HTTP as server-sent events, in the dialect of each."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from benchmarks.peers.engine import Arrival, Prompt

_UNLIMITED = aiohttp.ClientTimeout(total=None, sock_connect=5)
_MAX_LINE_BYTES = 1 << 18


@dataclass(frozen=True)
class Dialect:
    """How an engine wants to be asked, and where its tokens are."""

    path: str
    body: Callable[[list[Prompt], int, bool], dict[str, Any]]
    arrivals: Callable[[dict[str, Any]], list[Arrival]]


def _completions_body(prompts: list[Prompt], num_tokens: int, use_cache: bool) -> dict[str, Any]:
    return {
        "model": "model",
        "prompt": prompts if len(prompts) > 1 else prompts[0],
        "max_tokens": num_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "return_token_ids": True,
    }


def _completions_arrivals(event: dict[str, Any]) -> list[Arrival]:
    return [(choice["index"], choice["token_ids"]) for choice in event["choices"] if choice.get("token_ids")]


COMPLETIONS = Dialect("/v1/completions", _completions_body, _completions_arrivals)
"""OpenAI's, with vLLM's `return_token_ids` and `ignore_eos`."""


class HttpConnection:
    """See `benchmarks.peers.engine.Connection`."""

    def __init__(self, session: aiohttp.ClientSession, dialect: Dialect) -> None:
        self._session = session
        self._dialect = dialect

    async def stream(self, prompts: list[Prompt], num_tokens: int, use_cache: bool) -> AsyncIterator[Arrival]:
        body = self._dialect.body(prompts, num_tokens, use_cache)
        async with self._session.post(self._dialect.path, json=body) as response:
            if response.status != 200:
                raise RuntimeError(f"HTTP {response.status}: {(await response.text())[:300]}")
            async for line in response.content:
                if line.startswith(b"data: {"):
                    for arrival in self._dialect.arrivals(json.loads(line[6:])):
                        yield arrival


@asynccontextmanager
async def connect(port: int, dialect: Dialect) -> AsyncIterator[HttpConnection]:
    """Open connections to 127.0.0.1:port, one a request: llama.cpp closes those that are kept for another."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}", connector=connector, timeout=_UNLIMITED, read_bufsize=_MAX_LINE_BYTES
    ) as session:
        yield HttpConnection(session, dialect)


async def is_healthy(port: int) -> bool:
    """Say whether GET /health is answered with 200."""
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{port}/health") as response,
        ):
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
