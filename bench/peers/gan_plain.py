"""The plain way to serve the GAN, as a yardstick: grpc.aio, generated stubs, one batcher that takes what is queued.

    python -m bench.peers.gan_plain --port 50952 --generator models/fashion-gan/generator.onnx

Speaks the same protocol for Sample with a seed and raw bytes, and nothing more: no validation, deadlines, metrics or
timings, no exact seeds. One ONNX Runtime session of one thread a core, the fastest set-up on a CPU.
"""

import argparse
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import onnxruntime
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc

MAX_BATCH_SIZE = 64
LATENT_DIM = 64
NUM_CLASSES = 10

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Waiting = tuple[Floats, Labels, asyncio.Future[Floats]]


class PlainGan(gan_pb2_grpc.GanServiceServicer):
    """Answers Sample; requests are batched whole."""

    def __init__(self, generator: Path, num_sessions: int) -> None:
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue()
        self._executor = ThreadPoolExecutor(num_sessions)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._sessions = [
            onnxruntime.InferenceSession(generator, options, providers=["CPUExecutionProvider"])
            for _ in range(num_sessions)
        ]

    def start(self) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self._serve(session)) for session in self._sessions]

    async def Sample(self, request: gan_pb2.SampleRequest, context: Any) -> gan_pb2.SampleResponse:
        count = request.count or 1
        source = np.random.default_rng(request.seed)
        latents = source.standard_normal((count, LATENT_DIM), dtype=np.float32)
        future: asyncio.Future[Floats] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((latents, source.integers(0, NUM_CLASSES, count), future))
        images = await future  # [count, 1, 28, 28] in -1..1
        values = ((images + 1) * 127.5).round().astype(np.uint8)
        batch = images_pb2.ImageBatch(
            shape=(count, 28, 28, 1), encoding=images_pb2.ENCODING_RAW_UINT8, data=values.tobytes()
        )
        return gan_pb2.SampleResponse(images=batch, seed=request.seed)

    async def _serve(self, session: onnxruntime.InferenceSession) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._take()
            feeds = {
                "latent": np.concatenate([latents for latents, _, _ in batch]),
                "label": np.concatenate([labels for _, labels, _ in batch]),
            }
            (images,) = await loop.run_in_executor(self._executor, session.run, ["image"], feeds)
            start = 0
            for latents, _, future in batch:
                future.set_result(images[start : start + len(latents)])
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
    healthy = health.aio.HealthServicer()
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await asyncio.gather(*servicer.start())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--generator", type=Path, required=True)
    parser.add_argument("--num-sessions", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    asyncio.run(serve(options.port, PlainGan(options.generator, options.num_sessions)))


if __name__ == "__main__":
    main()
