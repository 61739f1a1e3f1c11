"""A thin HTTP front for engines that compute in steps: streams token ids in the dialect `engine.COMPLETIONS`.

Runs in the environment of a peer, so it imports nothing but aiohttp. Knows no engine: that one is a `Steps`, owned by a
thread that hands out what is new to all requests in one call.
"""

import asyncio
import json
import os
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Protocol

from aiohttp import web

Tokens = list[int]
News = list[tuple["Request", Tokens]]
"""Which tokens are new to whom."""


@dataclass(eq=False)
class Request:
    """What a client asked for. `num_left`: tokens that it has yet to get."""

    prompt: Tokens
    num_left: int
    deliver: Callable[[Tokens], None] = lambda tokens: None


class Steps(Protocol):
    """An engine, used by one thread."""

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to compute."""

    def add(self, request: Request) -> None:
        """Take a request; it cannot be cancelled."""

    def step(self) -> News:
        """Compute once; count `num_left` down by what is new."""


def _run(steps: Steps, arrived: SimpleQueue[Request], loop: asyncio.AbstractEventLoop) -> None:
    """Let an engine compute what arrives, for ever, and have the event loop deliver what is new."""
    try:
        while True:
            if steps.is_idle:
                steps.add(arrived.get())
            while not arrived.empty():
                steps.add(arrived.get())
            loop.call_soon_threadsafe(_deliver, steps.step())
    except Exception:
        traceback.print_exc()
        os._exit(1)  # this closes the connections, so that clients fail instead of waiting


def _deliver(news: News) -> None:
    for request, tokens in news:
        request.deliver(tokens)


async def _complete(arrived: SimpleQueue[Request], request: web.Request) -> web.StreamResponse:
    body = await request.json()
    tokens: asyncio.Queue[Tokens] = asyncio.Queue()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    num_left = body["max_tokens"]
    arrived.put(Request(body["prompt"], num_left, tokens.put_nowait))
    while num_left > 0:
        new = await tokens.get()
        num_left -= len(new)
        choices = [{"index": 0, "token_ids": new}]
        await response.write(b"data: %s\n\n" % json.dumps({"choices": choices}).encode())
    await response.write(b"data: [DONE]\n\n")
    return response


async def _health(request: web.Request) -> web.Response:
    return web.Response(text="ok")


def serve(port: int, steps: Steps) -> None:
    """Serve until SIGTERM."""

    async def application() -> web.Application:
        arrived: SimpleQueue[Request] = SimpleQueue()
        threading.Thread(target=_run, args=(steps, arrived, asyncio.get_running_loop()), daemon=True).start()
        app = web.Application()
        app.add_routes([web.post("/v1/completions", partial(_complete, arrived)), web.get("/health", _health)])
        return app

    web.run_app(application(), host="127.0.0.1", port=port, handler_cancellation=True, print=None, access_log=None)
