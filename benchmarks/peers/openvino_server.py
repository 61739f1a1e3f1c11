"""OpenVINO GenAI's continuous batching behind HTTP; runs in OpenVINO's own environment.

    python -m benchmarks.peers.openvino_server --port 8000 --weights q8_0.gguf [--prefix-cache]

One thread owns the pipeline: it takes requests, steps, and hands out what is new to all of them in one call.
"""

import argparse
import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai

from benchmarks.peers.completions_server import Item, Sink, serve


@dataclass
class _Request:
    prompt: list[int]
    num_left: int
    sink: Sink
    handle: Any = None
    is_cancelled: bool = False


class Batcher:
    """See `benchmarks.peers.completions_server.Generator`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pipeline: Any) -> None:
        self._loop = loop
        self._pipeline = pipeline
        self._arrived: deque[_Request] = deque()
        self._wake = threading.Event()
        self._numbers = itertools.count()
        threading.Thread(target=self._run, daemon=True).start()

    def start(self, prompts: list[list[int]], num_tokens: int, sink: Sink) -> Callable[[], None]:
        (prompt,) = prompts
        request = _Request(prompt, num_tokens, sink)
        self._arrived.append(request)
        self._wake.set()

        def cancel() -> None:
            request.is_cancelled = True

        return cancel

    def _run(self) -> None:
        running: list[_Request] = []
        while True:
            if not running:
                self._wake.wait()
            self._wake.clear()
            while self._arrived:
                running.append(self._admitted(self._arrived.popleft()))
            if running:
                self._pipeline.step()
                running = self._delivered(running)

    def _admitted(self, request: _Request) -> _Request:
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = request.num_left
        config.ignore_eos = True
        config.do_sample = False
        ids = openvino.Tensor(np.array([request.prompt], dtype=np.int64))
        request.handle = self._pipeline.add_request(next(self._numbers), ids, config)
        return request

    def _delivered(self, running: list[_Request]) -> list[_Request]:
        """Hand out new tokens; return who is still running."""
        news: list[tuple[Sink, Item]] = []
        for request in running:
            if request.is_cancelled and request.num_left:
                request.handle.cancel()
                request.num_left = 0
            elif request.handle.can_read():
                (output,) = request.handle.read().values()
                news.append((request.sink, (0, list(output.generated_ids))))
                request.num_left -= len(output.generated_ids)
                if request.num_left <= 0:
                    news.append((request.sink, None))
        self._loop.call_soon_threadsafe(_deliver, news)
        return [request for request in running if request.num_left > 0]


def _deliver(news: list[tuple[Sink, Item]]) -> None:
    for sink, item in news:
        sink(item)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--prefix-cache", action="store_true")
    parser.add_argument("--cache-gib", type=int, default=1)
    options = parser.parse_args()
    config = openvino_genai.SchedulerConfig()
    config.enable_prefix_caching = options.prefix_cache
    config.cache_size = options.cache_gib
    pipeline = openvino_genai.ContinuousBatchingPipeline(options.weights, config, "CPU")
    serve(options.port, lambda loop: Batcher(loop, pipeline))


if __name__ == "__main__":
    main()
