"""The plain way to serve the GAN, as a yardstick: grpc.aio on uvloop, one batcher that takes what is queued.

    python -m benchmarks.peers.gan.plain --port 50952 --generator models/fashion-gan/generator.onnx

Speaks the same protocol for Sample with raw bytes, and nothing more: no validation, deadlines, metrics or timings, no
exact seeds. One ONNX Runtime session of one thread a core, the fastest set-up of that runtime on a CPU.
"""

import argparse
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import uvloop

from benchmarks.peers.gan.exchange import latents_of, reply_of
from benchmarks.peers.gan.generator import MAX_BATCH_SIZE, Floats, Generator, Labels, Levels
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc

Waiting = tuple[Floats, Labels, asyncio.Future[Levels]]


class PlainGan(gan_pb2_grpc.GanServiceServicer):
    """Answers Sample; requests are batched whole."""

    def __init__(self, generator: Path, num_sessions: int) -> None:
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue()
        self._executor = ThreadPoolExecutor(num_sessions)
        self._generators = [Generator(generator) for _ in range(num_sessions)]

    async def run(self) -> None:
        await asyncio.gather(*map(self._serve, self._generators))

    async def Sample(self, request: gan_pb2.SampleRequest, context: Any) -> gan_pb2.SampleResponse:
        future: asyncio.Future[Levels] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((*latents_of(request), future))
        return reply_of(await future, request.seed)

    async def _serve(self, generator: Generator) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._take()
            latents = np.concatenate([latents for latents, _, _ in batch])
            labels = np.concatenate([labels for _, labels, _ in batch])
            levels = await loop.run_in_executor(self._executor, generator.draw, latents, labels)
            start = 0
            for latents, _, future in batch:
                future.set_result(levels[start : start + len(latents)])
                start += len(latents)

    async def _take(self) -> list[Waiting]:
        batch = [await self._queue.get()]
        size = len(batch[0][0])
        while not self._queue.empty() and size < MAX_BATCH_SIZE:
            batch.append(self._queue.get_nowait())
            size += len(batch[-1][0])
        return batch


async def serve(port: int, servicer: PlainGan) -> None:
    server = grpc.aio.server()
    gan_pb2_grpc.add_GanServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await servicer.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--generator", type=Path, required=True)
    options = parser.parse_args()
    uvloop.run(serve(options.port, PlainGan(options.generator, os.cpu_count() or 1)))


if __name__ == "__main__":
    main()
