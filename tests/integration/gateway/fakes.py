"""Backends by script: real gRPC servers whose answers a test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import grpc

from runtime.rpc.call import Call
from runtime.rpc.choices import join_messages
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, SERVICES
from runtime.rpc.rpc import service_handler
from runtime.rpc.served import ServedLedger
from runtime.server.backend import served_handler
from runtime.server.server import RpcServer
from runtime.tls import ServerTls
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2
from tests.integration.byte_tokenizer import ByteTokenizer

# A backend that cancels has gone away, and is tried again: see gateway/proxy/envoy.yaml.
PASSING_CODES = [each for each in grpc.StatusCode if each not in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED)]
HOST = "127.0.0.1"
HOLD = "hold"  # a prompt that is never answered
GENERATE = "/tandem.ar.v1.AutoregressiveService/Generate"
SCORE = "/tandem.ar.v1.AutoregressiveService/Score"
SAMPLE = "/tandem.gan.v1.GanService/Sample"
SAMPLE_STREAM = "/tandem.gan.v1.GanService/SampleStream"

TIMINGS = Timings(queue_seconds=1e-5, prefill_seconds=2e-5, decode_seconds=3e-5, total_seconds=8e-5, mean_batch_size=1)


TEXT_MODEL, IMAGE_MODEL = "fake-text", "fake-<gan>"


def known(model: str, request: Any) -> str:
    """Return the model that serves the request; empty if it asks for another."""
    return model if request.model in ("", model) else ""


class FakeSequential(ByteTokenizer):
    """Generate says a framing message, then a token a message; `before_message` may hold it or fail it."""

    def __init__(self) -> None:
        self.num_calls = 0
        self.open_calls = 0
        self.all_closed = asyncio.Event()
        self.started = asyncio.Event()
        self.seconds_left: list[float] = []
        self.requests: list[Any] = []
        self.before_message: Callable[[int], Any] = lambda index: None
        self.on_score: Callable[[Any, Call], Any] = self._score

    async def generate(self, request: Any, call: Call) -> AsyncIterator[Any]:
        self.num_calls += 1
        call.model = known(TEXT_MODEL, request)
        self.requests.append(request)
        self.seconds_left.append(call.deadline.remaining_seconds())
        self.open_calls += 1
        self.all_closed.clear()
        self.started.set()
        try:
            if request.text == HOLD:
                await asyncio.Event().wait()
            count = request.sampling.max_tokens if request.sampling.HasField("max_tokens") else 3
            await self._before(0)
            yield ar_pb2.GenerateResponse(choice_index=0)
            for index in range(count):
                await self._before(index + 1)
                yield ar_pb2.GenerateResponse(token_ids=[index], text_delta=f"{index} ")
            yield ar_pb2.GenerateResponse(
                finish_reason=ar_pb2.FINISH_REASON_LENGTH,
                usage=ar_pb2.Usage(prompt_tokens=1, output_tokens=count),
                timings=TIMINGS,
            )
        finally:
            self.open_calls -= 1
            if not self.open_calls:
                self.all_closed.set()

    async def complete(self, request: Any, call: Call) -> Any:
        return join_messages([message async for message in self.generate(request.generate, call)])

    async def _before(self, index: int) -> None:
        wait = self.before_message(index)
        if wait is not None:
            await wait

    async def score(self, request: Any, call: Call) -> Any:
        call.model = known(TEXT_MODEL, request)
        return await self.on_score(request, call)

    async def _score(self, request: Any, call: Call) -> Any:
        self.num_calls += 1
        return ar_pb2.ScoreResponse(likelihoods=[ar_pb2.Likelihood(total_logprob=-1.5)], timings=TIMINGS)

    async def list_models(self, request: Any, call: Call) -> Any:
        return ar_pb2.ListModelsResponse(
            models=[ar_pb2.Model(name=TEXT_MODEL, modality="text", device="cpu", dtype="float32", licence="MIT")]
        )


class FakeParallel:
    """Sample returns `count` images of one value each; `sample` may be replaced."""

    def __init__(self) -> None:
        self.num_calls = 0
        self.before_sample: Callable[[], Any] = lambda: None
        self.parts: Callable[[Any, Call], AsyncIterator[Any]] = self._parts

    async def sample(self, request: Any, call: Call) -> Any:
        self.num_calls += 1
        call.model = known(IMAGE_MODEL, request)
        wait = self.before_sample()
        if wait is not None:
            await wait
        return self._images(request.count or 1, 0)

    async def sample_stream(self, request: Any, call: Call) -> AsyncIterator[Any]:
        call.model = known(IMAGE_MODEL, request.sample)
        async for part in self.parts(request, call):
            yield part

    async def _parts(self, request: Any, call: Call) -> AsyncIterator[Any]:
        for index in range(request.sample.count):
            yield gan_pb2.SampleStreamResponse(part=self._images(1, index))

    async def discriminate(self, request: Any, call: Call) -> Any:
        return gan_pb2.DiscriminateResponse(scores=[0.5])

    async def list_models(self, request: Any, call: Call) -> Any:
        return gan_pb2.ListModelsResponse(
            models=[gan_pb2.Model(name=IMAGE_MODEL, providers=["CPUExecutionProvider"], licence="MIT")]
        )

    def _images(self, count: int, first: int) -> Any:
        images = images_pb2.ImageBatch(shape=[count, 1, 1, 1], data=bytes(range(count % 256)))
        timings = Timings(queue_seconds=1e-5, compute_seconds=4e-5, total_seconds=6e-5)
        return gan_pb2.SampleResponse(images=images, first_index=first, timings=timings)


class FakeBackend:
    """A server of one paradigm that can be stopped and started again on its port."""

    def __init__(self, paradigm: str, servicer: Any, tls: ServerTls | None = None, host: str = HOST) -> None:
        self.servicer = servicer
        self.port = 0
        self._host, self._tls, self._service = host, tls, SERVICES[paradigm]
        self._server: RpcServer | None = None

    @property
    def target(self) -> str:
        return f"{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _new_server(self) -> RpcServer:
        ledger = ServedLedger()
        handlers = [service_handler(self._service, self.servicer, ledger=ledger), served_handler(ledger)]
        return RpcServer(self._host, self.port, handlers, [self._service.full_name], self._tls)

    async def start(self, serving: bool = True) -> None:
        self._server = self._new_server()
        await self._server.start()
        self.port = self._server.port
        await self.set_serving(serving)

    async def set_serving(self, serving: bool) -> None:
        assert self._server is not None
        await self._server.health.set_serving(serving)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None


def sequential() -> FakeBackend:
    return FakeBackend(SEQUENTIAL, FakeSequential())


def parallel() -> FakeBackend:
    return FakeBackend(PARALLEL, FakeParallel())
