"""The GAN behind mosec; runs in mosec's own environment.

    python -m benchmarks.peers.gan.mosec --generator generator.onnx [--openvino] [--batch 16] --port 8000

Bodies of POST /inference are the project's own messages. A worker process a core; mosec's batcher in front of them.
"""

import argparse
import os

import mosec
import numpy as np

from benchmarks.peers.gan.exchange import latents_of, reply_of
from benchmarks.peers.gan.generator import MAX_BATCH_SIZE, Generator
from tandem.gan.v1 import gan_pb2

_MAX_WAIT_MILLISECONDS = 1  # without any, batches are smaller and cost more CPU


class Draw(mosec.Worker):  # type: ignore[misc]  # mosec is not in this environment
    """Draws a batch of requests in passes of at most `--batch` images."""

    def __init__(self) -> None:
        options = _options()
        self._batch = options.batch
        self._generator = Generator(options.generator, options.batch if options.openvino else 0)

    def deserialize(self, data: bytes) -> gan_pb2.SampleRequest:
        return gan_pb2.SampleRequest.FromString(data)

    def serialize(self, data: gan_pb2.SampleResponse) -> bytes:
        return data.SerializeToString()

    def forward(self, data: list[gan_pb2.SampleRequest]) -> list[gan_pb2.SampleResponse]:
        asked = [latents_of(request) for request in data]
        latents, labels = (np.concatenate(arrays) for arrays in zip(*asked, strict=True))
        places = range(0, len(latents), self._batch)
        drawn = [self._generator.draw(latents[at : at + self._batch], labels[at : at + self._batch]) for at in places]
        stops = np.cumsum([len(rows) for rows, _ in asked])[:-1]
        parts = np.split(np.concatenate(drawn), stops)
        return [reply_of(levels, request.seed) for levels, request in zip(parts, data, strict=True)]


def _options() -> argparse.Namespace:
    """Return the flags that mosec, whose worker processes have the same command line, leaves to us."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--generator", required=True)
    parser.add_argument("--openvino", action="store_true")
    parser.add_argument("--batch", type=int, default=MAX_BATCH_SIZE, help="images of a pass, requests of a batch")
    return parser.parse_known_args()[0]


if __name__ == "__main__":
    server = mosec.Server()
    batch = _options().batch
    server.append_worker(Draw, num=os.cpu_count() or 1, max_batch_size=batch, max_wait_time=_MAX_WAIT_MILLISECONDS)
    server.run()
