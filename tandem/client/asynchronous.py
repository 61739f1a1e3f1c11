"""The client for asyncio: calls are awaited, streams are async iterators. The sync one is its mirror image."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, Self, Unpack, cast

import grpc
from numpy.typing import NDArray

from tandem.ar.v1.ar_pb2 import ListModelsRequest as ListSequentialModels
from tandem.ar.v1.ar_pb2_grpc import AutoregressiveServiceStub
from tandem.client import replies, requests
from tandem.client.channels import DEFAULT_ADDRESS, open_async_channel
from tandem.client.credentials import Credentials, address_of_environment
from tandem.client.errors import CANCELLED_HERE, Cancelled, ReplyTooLarge, Unimplemented, typed_errors
from tandem.client.images import ImageBatch, Images, Verdict, joined_parts
from tandem.client.labels import Labels, class_numbers, has_names
from tandem.client.models import Models, ParallelModel, SequentialModel
from tandem.client.options import GenerateOptions, SampleOptions
from tandem.client.prompts import Prompt
from tandem.client.text import Completion, GenerateChunk, Score
from tandem.client.timeouts import call_seconds, time_left
from tandem.gan.v1.gan_pb2 import ListModelsRequest as ListParallelModels
from tandem.gan.v1.gan_pb2 import SampleStreamRequest
from tandem.gan.v1.gan_pb2_grpc import GanServiceStub
from tandem.shared.errors import ExpectedError


class AsyncGeneration:
    """A text or images in the making: an async iterator of chunks. Leaving its `async with` block, or `cancel`, stops
    the server's work.
    """

    def __init__(self, call: Any, address: str) -> None:
        self._call = call
        self._address = address
        self._has_begun = False

    def __aiter__(self) -> AsyncIterator[GenerateChunk]:
        return self

    async def __anext__(self) -> GenerateChunk:
        with typed_errors(self._address, self._has_begun), _own_cancellation():
            message = await self._call.read()
            if message is not grpc.aio.EOF:
                self._has_begun = True
                return replies.generate_chunk(message)
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Stop the server's work; no effect on a generation that has ended."""
        self._call.cancel()


class _LateCall:
    """A call that begins at its first read, once what its request needs is looked up."""

    def __init__(self, look_up: Callable[[], Awaitable[None]], begin: Callable[[], Any]) -> None:
        self._look_up = look_up
        self._begin = begin
        self._call: Any = None
        self._is_cancelled = False

    async def read(self) -> Any:
        if self._call is None:
            await self._look_up()
            self._call = self._begin()
            if self._is_cancelled:
                self._call.cancel()
        return await self._call.read()

    def cancel(self) -> None:
        self._is_cancelled = True
        if self._call is not None:
            self._call.cancel()


class AsyncTandemClient:
    """A client of the gateway, or of one backend, at `address` (host:port). Make it where an event loop runs.

    Without an address it is that of TANDEM_ADDRESS or 127.0.0.1:50050; without `credentials` they are those of the
    environment, see tandem.client.credentials.

    Every method raises TandemRpcError (see tandem.client.errors), ValueError for a value that no request can carry, or
    when the client is closed, and TypeError for an argument of another type.
    Cancelling a task that awaits a call cancels the call.
    """

    def __init__(self, address: str = "", credentials: Credentials | None = None) -> None:
        self.address = address = address or address_of_environment(DEFAULT_ADDRESS)
        credentials = credentials or Credentials.from_environment()
        self._metadata = credentials.metadata
        self._channel = open_async_channel(address, credentials)
        self._sequential = AutoregressiveServiceStub(self._channel)
        self._parallel = GanServiceStub(self._channel)
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; open calls are cancelled."""
        self._is_closed = True
        await self._channel.close()

    def generate(self, prompt: Prompt | None = None, **options: Unpack[GenerateOptions]) -> AsyncGeneration:
        """Stream the answer to `prompt`, or images of the class `label`, as they are generated."""
        remaining_seconds = time_left(options.get("timeout_seconds"))

        def begin() -> Any:
            request = requests.generate_request(prompt, options)
            return self._call(self._sequential.Generate, request, remaining_seconds())

        if not has_names(options.get("label")):
            return AsyncGeneration(begin(), self.address)
        look_up = partial(self._look_up, "label", options, self.list_sequential_models, remaining_seconds())
        return AsyncGeneration(_LateCall(look_up, begin), self.address)

    async def complete(self, prompt: Prompt | None = None, **options: Unpack[GenerateOptions]) -> Completion:
        """Return the whole answer to `prompt`, or images of the class `label`, in one reply."""
        remaining_seconds = time_left(options.get("timeout_seconds"))
        await self._look_up("label", options, self.list_sequential_models, remaining_seconds())
        request = requests.complete_request(prompt, options)
        return replies.completion(await self._unary(self._sequential.Complete, request, remaining_seconds()))

    async def score(
        self, content: str | Sequence[int], *, model: str = "", timeout_seconds: float | None = None
    ) -> Score:
        """Return the exact log-likelihood of a plain text, or of token ids: at least two tokens."""
        contents = cast("list[str]", [content])
        (score,) = await self.score_many(contents, model=model, timeout_seconds=timeout_seconds)
        return score

    async def score_many(
        self,
        contents: Sequence[str] | Sequence[Sequence[int]],
        *,
        model: str = "",
        steps: int | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Score]:
        """Return the exact log-likelihoods of 1 to 256 plain texts, or lists of token ids, in one call.

        `steps`: under generation in so many steps, of a model that `takes_steps`.
        """
        request = requests.score_request(contents, model, steps)
        return replies.scores(await self._unary(self._sequential.Score, request, timeout_seconds))

    async def score_images(
        self,
        images: ImageBatch | NDArray[Any],
        labels: Labels | None = None,
        *,
        model: str = "",
        steps: int | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Score]:
        """Return the exact log-likelihoods of 1 to 1,024 images given their classes, under an image model.

        Images are [number, height, width(, channels)] of uint8, or float32 in the model's range; those that `sample`
        gave bring their labels with them. `steps`: under generation in so many steps, of a model that `takes_steps`.
        """
        remaining_seconds = time_left(timeout_seconds)
        asked: dict[str, Any] = {"labels": labels, "model": model}
        await self._look_up("labels", asked, self.list_sequential_models, remaining_seconds())
        request = requests.score_images_request(images, asked["labels"], model, steps)
        return replies.scores(await self._unary(self._sequential.Score, request, remaining_seconds()))

    async def sample(self, count: int = 1, **options: Unpack[SampleOptions]) -> Images:
        """Draw `count` images, 1 to 100,000 unless the server says otherwise; in parts where one reply is too small."""
        remaining_seconds = time_left(options.get("timeout_seconds"))
        await self._look_up("labels", options, self.list_parallel_models, remaining_seconds())
        request = requests.sample_request(count, options)
        with contextlib.suppress(ReplyTooLarge):
            return replies.images(await self._unary(self._parallel.Sample, request, remaining_seconds()))
        parts = self._parts(SampleStreamRequest(sample=request), remaining_seconds())
        return joined_parts([part async for part in parts])

    def sample_stream(
        self, count: int, *, images_per_message: int | None = None, **options: Unpack[SampleOptions]
    ) -> AsyncGenerator[Images, None]:
        """Draw `count` images, up to 100,000, in parts as they are made; close the generator to stop."""
        if has_names(options.get("labels")):
            return self._named_parts(count, images_per_message, options)
        request = requests.sample_stream_request(count, images_per_message, options)
        return self._parts(request, call_seconds(options.get("timeout_seconds")))

    async def _named_parts(
        self, count: int, images_per_message: int | None, options: SampleOptions
    ) -> AsyncGenerator[Images, None]:
        remaining_seconds = time_left(options.get("timeout_seconds"))
        await self._look_up("labels", options, self.list_parallel_models, remaining_seconds())
        options["timeout_seconds"] = remaining_seconds()
        async with contextlib.aclosing(
            self.sample_stream(count, images_per_message=images_per_message, **options)
        ) as parts:
            async for part in parts:
                yield part

    async def _parts(self, request: Any, timeout_seconds: float | None) -> AsyncGenerator[Images, None]:
        call = self._call(self._parallel.SampleStream, request, timeout_seconds)
        has_begun = False
        try:
            while True:
                with typed_errors(self.address, has_begun), _own_cancellation():
                    message = await call.read()
                if message is grpc.aio.EOF:
                    return
                has_begun = True
                yield replies.images(message.part)
        finally:
            call.cancel()

    async def discriminate(
        self,
        images: ImageBatch | NDArray[Any],
        *,
        labels: Labels | None = None,
        model: str = "",
        timeout_seconds: float | None = None,
    ) -> Verdict:
        """Return the discriminator's verdict on images, as `score_images` takes them."""
        remaining_seconds = time_left(timeout_seconds)
        asked: dict[str, Any] = {"labels": labels, "model": model}
        await self._look_up("labels", asked, self.list_parallel_models, remaining_seconds())
        request = requests.discriminate_request(images, asked["labels"], model)
        return replies.verdict(await self._unary(self._parallel.Discriminate, request, remaining_seconds()))

    async def list_models(self, *, timeout_seconds: float | None = None) -> Models:
        """Return the models of both paradigms; fails if either backend is away."""
        remaining_seconds = time_left(timeout_seconds)
        try:
            sequential = await self.list_sequential_models(timeout_seconds=remaining_seconds())
        except Unimplemented:  # what serves neither is no server of ours, and says so once more
            return Models((), await self.list_parallel_models(timeout_seconds=remaining_seconds()))
        with contextlib.suppress(Unimplemented):
            return Models(sequential, await self.list_parallel_models(timeout_seconds=remaining_seconds()))
        return Models(sequential, ())

    async def list_sequential_models(self, *, timeout_seconds: float | None = None) -> tuple[SequentialModel, ...]:
        """Return the sequential models loaded."""
        message = await self._unary(self._sequential.ListModels, ListSequentialModels(), timeout_seconds)
        return replies.sequential_models(message)

    async def list_parallel_models(self, *, timeout_seconds: float | None = None) -> tuple[ParallelModel, ...]:
        """Return the parallel models loaded."""
        message = await self._unary(self._parallel.ListModels, ListParallelModels(), timeout_seconds)
        return replies.parallel_models(message)

    async def _look_up(self, key: str, options: Any, list_models: Any, timeout_seconds: float | None) -> None:
        """Put the numbers of classes in the place of their names."""
        if has_names(options.get(key)):
            models = await list_models(timeout_seconds=timeout_seconds)
            options[key] = class_numbers(options[key], options.get("model", ""), models)

    async def _unary(self, rpc: Any, request: Any, timeout_seconds: float | None) -> Any:
        with typed_errors(self.address), _own_cancellation():
            return await self._call(rpc, request, timeout_seconds)

    def _call(self, rpc: Any, request: Any, timeout_seconds: float | None) -> Any:
        if self._is_closed:
            raise ExpectedError("the client is closed")
        return rpc(request, timeout=call_seconds(timeout_seconds), metadata=self._metadata)


@contextlib.contextmanager
def _own_cancellation() -> Iterator[None]:
    """Tell the end of a call, by `cancel` or `close`, from that of the task: grpc raises CancelledError for both."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Cancelled("CANCELLED", CANCELLED_HERE) from None
