"""OpenVINO GenAI's continuous batching behind HTTP; runs in OpenVINO's own environment.

python -m benchmarks.peers.openvino_server --port 8000 --weights q8_0.gguf
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai

from benchmarks.peers.text_server import News, Request, serve

CACHE_GIB = 1


class Pipeline:
    """Implements `Steps`; the library batches by itself."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._numbers = itertools.count()
        self._running: list[tuple[Request, Any]] = []  # with the library's handle

    @property
    def is_idle(self) -> bool:
        return not self._running

    def add(self, request: Request) -> None:
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = request.num_left
        config.ignore_eos = True
        config.do_sample = False
        ids = openvino.Tensor(np.array([request.prompt], dtype=np.int64))
        self._running.append((request, self._pipeline.add_request(next(self._numbers), ids, config)))

    def step(self) -> News:
        self._pipeline.step()
        news: News = []
        for request, handle in self._running:
            if handle.can_read():
                (output,) = handle.read().values()
                news.append((request, list(output.generated_ids)))
                request.num_left -= len(output.generated_ids)
        self._running = [(request, handle) for request, handle in self._running if request.num_left > 0]
        return news


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    options = parser.parse_args()
    config = openvino_genai.SchedulerConfig()
    config.enable_prefix_caching = False
    config.cache_size = CACHE_GIB
    serve(options.port, Pipeline(openvino_genai.ContinuousBatchingPipeline(options.weights, config, "CPU")))


if __name__ == "__main__":
    main()
