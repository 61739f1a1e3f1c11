"""A server with both services that answers by script: what client and CLI talk to."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from typing import Any

from PIL import Image

from runtime.rpc.call import Call
from runtime.rpc.choices import join_messages
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, SERVICES
from runtime.rpc.rpc import service_handler
from runtime.server.server import RpcServer
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import NoChatTemplate, NotFound, ReplyTooLarge
from tests.integration.byte_tokenizer import ByteTokenizer

WORDS = ("Hello", " wör", "ld", "!")
SIDE = 4
CLASS_NAMES = ("sneaker", "bag", "coat")


class FakeSequential(ByteTokenizer):
    """Says WORDS, a token each, over and over up to max_tokens. `hold` stops it after a first token a choice.

    Asked for a class, it draws: the image's value, everywhere, is the number of tokens so far.
    """

    def __init__(self) -> None:
        self.requests: list[ar_pb2.GenerateRequest] = []
        self.scored: list[ar_pb2.ScoreRequest] = []
        self.error: Exception | None = None
        self.has_chat_template = True
        self.has_images = True
        self.has_steps = False
        """Serves fake-steps as well, which draws in any number of steps."""
        self.end_token = b""
        """Ends each text by a token that is no part of it."""
        self.total_seconds = 0.03
        """Of each text or image, by its timings."""
        self.hold = asyncio.Event()
        self.hold.set()
        self.holding = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def generate(self, request: ar_pb2.GenerateRequest, call: Call) -> AsyncIterator[ar_pb2.GenerateResponse]:
        self._begin(request)
        count = request.sampling.max_tokens if request.sampling.HasField("max_tokens") else len(WORDS)
        choices = request.sampling.n or 1
        try:
            for place in range(count):
                for choice in range(choices):
                    yield self._token(request, choice, place)
                if not self.hold.is_set():
                    self.holding.set()
                    await self.hold.wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise
        for choice in range(choices):
            last = ar_pb2.GenerateResponse(choice_index=choice, finish_reason=ar_pb2.FINISH_REASON_LENGTH)
            if self.end_token:
                last.finish_reason = ar_pb2.FINISH_REASON_STOP
                last.logprobs.append(ar_pb2.TokenLogprob(token=self.end_token, logprob=-0.5))
            if _draws(request):
                last.image.CopyFrom(_image(count))
            if choice == choices - 1:
                last.usage.CopyFrom(ar_pb2.Usage(prompt_tokens=3, output_tokens=count * choices, seed=7))
                if drafted := request.sampling.speculative_tokens:
                    last.usage.drafted_tokens, last.usage.accepted_tokens = drafted, 3
                last.timings.CopyFrom(
                    Timings(prefill_seconds=0.01, decode_seconds=0.02, total_seconds=self.total_seconds)
                )
            yield last

    async def complete(self, request: ar_pb2.CompleteRequest, call: Call) -> ar_pb2.CompleteResponse:
        return join_messages([message async for message in self.generate(request.generate, call)])

    def _begin(self, request: ar_pb2.GenerateRequest) -> None:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        if request.HasField("chat") and not (self.has_chat_template or request.chat.plain_without_template):
            raise NoChatTemplate

    def _token(self, request: ar_pb2.GenerateRequest, choice: int, place: int) -> ar_pb2.GenerateResponse:
        word = WORDS[place % len(WORDS)]
        logprob = ar_pb2.TokenLogprob(token_id=place, logprob=-0.5, token=word.encode())
        for rank in range(request.top_logprobs):
            logprob.alternatives.add(token_id=100 + rank, logprob=-1.0 - rank, token=f"other{rank}".encode())
        response = ar_pb2.GenerateResponse(
            choice_index=choice, token_ids=[place], text_delta=word, logprobs=[logprob] if request.logprobs else ()
        )
        if _draws(request):
            response.text_delta = ""
            if request.partial_images:
                response.image.CopyFrom(_image(place + 1))
        return response

    async def score(self, request: ar_pb2.ScoreRequest, call: Call) -> ar_pb2.ScoreResponse:
        """Entry i of a request has the total -1.5 - i."""
        self.scored.append(request)
        if self.error is not None:
            raise self.error
        count = max(len(request.texts.texts), len(request.tokens.token_lists), *request.images.images.shape[:1], 0)
        tokens = [ar_pb2.TokenLogprob(token_id=1, logprob=-1.5, token=b"" if request.HasField("images") else b"b")]
        likelihoods = [
            ar_pb2.Likelihood(total_logprob=-1.5 - number, bits_per_token=2.0, tokens=tokens) for number in range(count)
        ]
        return ar_pb2.ScoreResponse(likelihoods=likelihoods, timings=Timings(decode_seconds=0.5))

    async def list_models(self, request: object, call: Call) -> ar_pb2.ListModelsResponse:
        text = ar_pb2.Model(name="fake-text", modality="text", num_parameters=10, vocab_size=4, device="cpu")
        image = ar_pb2.Model(
            name="fake-image",
            modality="image",
            num_classes=len(CLASS_NAMES),
            class_names=CLASS_NAMES,
            image_shape=[SIDE, SIDE, 1],
            value_range=[-1, 1],
            tokens_per_image=4,
            dtype="float32",
            num_instances=1,
            threads_per_instance=1,
        )
        steps = ar_pb2.Model()
        steps.CopyFrom(image)
        steps.name, steps.takes_steps, steps.can_score_images = "fake-steps", True, True
        return ar_pb2.ListModelsResponse(models=[text, *[image] * self.has_images, *[steps] * self.has_steps])


class FakeParallel:
    """Image i of a request has the value seed + i everywhere; the label of all is the first one asked for, or 0."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.stream_closed = asyncio.Event()
        self.max_reply_images = 1000

    async def sample(self, request: gan_pb2.SampleRequest, call: Call) -> gan_pb2.SampleResponse:
        self.requests.append(request)
        if request.model not in ("", "fake-gan"):
            raise NotFound(request.model, ["fake-gan"])
        if request.count > self.max_reply_images:
            raise ReplyTooLarge("count", request.count, f"1 to {self.max_reply_images}; SampleStream sends parts")
        response = self._images(request, 0, request.count)
        response.timings.CopyFrom(Timings(compute_seconds=0.004, total_seconds=0.005))
        return response

    async def sample_stream(
        self, request: gan_pb2.SampleStreamRequest, call: Call
    ) -> AsyncIterator[gan_pb2.SampleStreamResponse]:
        self.requests.append(request)
        step = request.images_per_message or 2
        try:
            for first in range(0, request.sample.count, step):
                count = min(step, request.sample.count - first)
                part = self._images(request.sample, first, count)
                if first + count == request.sample.count:
                    part.timings.CopyFrom(Timings(compute_seconds=0.004, total_seconds=0.005))
                yield gan_pb2.SampleStreamResponse(part=part)
        finally:
            self.stream_closed.set()

    def _images(self, request: gan_pb2.SampleRequest, first: int, count: int) -> gan_pb2.SampleResponse:
        label = request.labels[0] if request.labels else 0
        values = [(request.seed + index) % 256 for index in range(first, first + count)]
        images = images_pb2.ImageBatch(shape=[count, SIDE, SIDE, 1], encoding=request.encoding)
        if request.encoding == images_pb2.ENCODING_PNG:
            images.png.extend(_png(value) for value in values)
        else:
            images.data = b"".join(bytes([value]) * SIDE * SIDE for value in values)
        return gan_pb2.SampleResponse(images=images, labels=[label] * count, seed=request.seed, first_index=first)

    async def discriminate(self, request: gan_pb2.DiscriminateRequest, call: Call) -> gan_pb2.DiscriminateResponse:
        self.requests.append(request)
        count = request.images.shape[0]
        return gan_pb2.DiscriminateResponse(scores=range(count), feature_dim=2, features=[0.5] * 2 * count)

    async def list_models(self, request: object, call: Call) -> gan_pb2.ListModelsResponse:
        model = gan_pb2.Model(
            name="fake-gan",
            image_shape=[SIDE, SIDE, 1],
            num_classes=len(CLASS_NAMES),
            class_names=CLASS_NAMES,
            value_range=[-1, 1],
            providers=["CPUExecutionProvider"],
            runtime=gan_pb2.Runtime(name="onnxruntime", precision="float32", num_instances=2, threads_per_instance=1),
        )
        return gan_pb2.ListModelsResponse(models=[model])


def _draws(request: ar_pb2.GenerateRequest) -> bool:
    return request.WhichOneof("prompt") == "class_label"


def _image(value: int) -> images_pb2.ImageBatch:
    encoding = images_pb2.ENCODING_RAW_UINT8
    return images_pb2.ImageBatch(shape=[1, SIDE, SIDE, 1], encoding=encoding, data=bytes([value]) * SIDE * SIDE)


def _png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (SIDE, SIDE), value).save(file, "PNG")
    return file.getvalue()


def server_of(sequential: Any, parallel: Any) -> RpcServer:
    """Return a server of both paradigms on a free port."""
    servicers = {SERVICES[SEQUENTIAL]: sequential, SERVICES[PARALLEL]: parallel}
    handlers = [service_handler(service, servicer) for service, servicer in servicers.items()]
    return RpcServer("127.0.0.1", 0, handlers, [service.full_name for service in servicers])


class FakeGateway:
    """Both fakes behind one port."""

    def __init__(self) -> None:
        self.sequential = FakeSequential()
        self.parallel = FakeParallel()
        self.server = server_of(self.sequential, self.parallel)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"


@contextlib.asynccontextmanager
async def fake_gateway() -> AsyncIterator[FakeGateway]:
    gateway = FakeGateway()
    await gateway.server.start()
    await gateway.server.health.set_serving(True)
    try:
        yield gateway
    finally:
        await gateway.server.stop(0)
