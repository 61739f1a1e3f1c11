"""Hugging Face transformers' `generate` behind HTTP: one static batch a request, one request at a time.

python -m benchmarks.peers.transformers_server --port 8000 --weights model.gguf --dtype bfloat16
"""

import argparse
import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from transformers.generation.streamers import BaseStreamer

from benchmarks.peers.completions_server import Sink, serve
from benchmarks.peers.weights import load_dense


class _Streamer(BaseStreamer):
    """Hands each step's tokens to the event loop; the first call brings the prompts, which are known."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: Sink) -> None:
        self._loop = loop
        self._sink = sink
        self._is_prompt = True

    def put(self, value: torch.Tensor) -> None:
        if not self._is_prompt:
            self._loop.call_soon_threadsafe(self._hand_out, value.flatten().tolist())
        self._is_prompt = False

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._sink, None)

    def _hand_out(self, tokens: list[int]) -> None:
        for row, token in enumerate(tokens):
            self._sink((row, [token]))


class StaticBatches:
    """See `completions_server.Generator`. Prompts of a batch are equally long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, model: Any) -> None:
        self._loop = loop
        self._model = model
        self._thread = ThreadPoolExecutor(1)

    def start(self, prompts: list[list[int]], num_tokens: int, sink: Sink) -> None:
        self._thread.submit(self._generate, prompts, num_tokens, sink)

    @torch.inference_mode()
    def _generate(self, prompts: list[list[int]], num_tokens: int, sink: Sink) -> None:
        ids = torch.tensor(prompts)
        self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=num_tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            streamer=_Streamer(self._loop, sink),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), required=True)
    options = parser.parse_args()
    model = load_dense(options.weights, options.dtype)
    serve(options.port, lambda loop: StaticBatches(loop, model))


if __name__ == "__main__":
    main()
