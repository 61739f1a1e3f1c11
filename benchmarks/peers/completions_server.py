"""A thin HTTP front for engines that are libraries: streams token ids in the dialect `completions.COMPLETIONS`.

Runs in the environment of the peer, so it imports nothing but aiohttp. Knows no engine: that one is a `Generator`.
"""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Protocol

from aiohttp import web

Item = tuple[int, list[int]] | None  # which prompt, its next tokens; None: the end of the reply
Sink = Callable[[Item], None]


class Generator(Protocol):
    """An engine in this process."""

    def start(self, prompts: list[list[int]], num_tokens: int, sink: Sink) -> None:
        """Begin a reply; `sink` is called on the event loop's thread. It cannot be cancelled; no benchmark does."""


async def _complete(generator: Generator, request: web.Request) -> web.StreamResponse:
    body = await request.json()
    prompts = body["prompt"] if isinstance(body["prompt"][0], list) else [body["prompt"]]
    items: asyncio.Queue[Item] = asyncio.Queue()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    generator.start(prompts, body["max_tokens"], items.put_nowait)
    is_over = False
    while not is_over:
        arrived = [await items.get()]
        while not items.empty():  # what a step brings is one event, of several prompts too
            arrived.append(items.get_nowait())
        is_over = arrived[-1] is None
        found = [{"index": item[0], "token_ids": item[1]} for item in arrived if item is not None]
        await response.write(b"data: %s\n\n" % json.dumps({"choices": found}).encode())
    await response.write(b"data: [DONE]\n\n")
    return response


async def _health(request: web.Request) -> web.Response:
    return web.Response(text="ok")


def serve(port: int, make_generator: Callable[[asyncio.AbstractEventLoop], Generator]) -> None:
    """Serve until SIGTERM."""

    async def application() -> web.Application:
        complete = partial(_complete, make_generator(asyncio.get_running_loop()))
        app = web.Application()
        app.add_routes([web.post("/v1/completions", complete), web.get("/health", _health)])
        return app

    web.run_app(application(), host="127.0.0.1", port=port, handler_cancellation=True, print=None, access_log=None)
