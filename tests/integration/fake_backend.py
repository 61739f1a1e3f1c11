"""Both backends without models, in one process: ready-made replies as fast as the server can send them.

`python -m tests.integration.fake_backend` prints its port and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import uvloop

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2
from tests.integration.byte_tokenizer import ByteTokenizer
from tests.integration.tandem.fakes import server_of


class _Sequential(ByteTokenizer):
    """Generate sends max_tokens messages of one token, without waiting."""

    _token = ar_pb2.GenerateResponse(token_ids=[1], text_delta="word ")
    _timings = Timings(queue_seconds=1e-6, prefill_seconds=1e-6, decode_seconds=1e-6, total_seconds=4e-6)
    _end = ar_pb2.GenerateResponse(finish_reason=ar_pb2.FINISH_REASON_LENGTH, timings=_timings)

    async def generate(self, request: Any, call: Call) -> AsyncIterator[Any]:
        for _ in range(request.sampling.max_tokens):
            yield self._token
        yield self._end

    async def complete(self, request: Any, call: Call) -> Any:
        return ar_pb2.CompleteResponse(timings=self._timings)

    async def score(self, request: Any, call: Call) -> Any:
        return ar_pb2.ScoreResponse(likelihoods=[ar_pb2.Likelihood(total_logprob=-1.0)], timings=self._timings)

    async def list_models(self, request: Any, call: Call) -> Any:
        return ar_pb2.ListModelsResponse(models=[ar_pb2.Model(name="fake-text", modality="text")])


class _Parallel:
    """Sample sends one ready 28 x 28 image."""

    _timings = Timings(queue_seconds=1e-6, compute_seconds=1e-6, total_seconds=3e-6)
    _image = images_pb2.ImageBatch(shape=[1, 28, 28, 1], encoding=images_pb2.ENCODING_RAW_UINT8, data=bytes(784))
    _reply = gan_pb2.SampleResponse(images=_image, timings=_timings)

    async def sample(self, request: Any, call: Call) -> Any:
        return self._reply

    async def sample_stream(self, request: Any, call: Call) -> AsyncIterator[Any]:
        for _ in range(request.sample.count):
            yield gan_pb2.SampleStreamResponse(part=self._reply)

    async def discriminate(self, request: Any, call: Call) -> Any:
        return gan_pb2.DiscriminateResponse(scores=[0.0])

    async def list_models(self, request: Any, call: Call) -> Any:
        return gan_pb2.ListModelsResponse(models=[gan_pb2.Model(name="fake-gan")])


async def serve() -> None:
    """Serve on a free port until cancelled."""
    server = server_of(_Sequential(), _Parallel())
    await server.start()
    await server.health.set_serving(True)
    print(server.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve())
