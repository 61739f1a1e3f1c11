"""The client for ordinary code: calls block, streams are iterators. The asyncio one is its mirror image."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Self, Unpack, cast

from numpy.typing import NDArray

from tandem.ar.v1.ar_pb2 import ListModelsRequest as ListSequentialModels
from tandem.ar.v1.ar_pb2_grpc import AutoregressiveServiceStub
from tandem.client import replies, requests
from tandem.client.channels import DEFAULT_ADDRESS, open_channel
from tandem.client.credentials import Credentials, address_of_environment
from tandem.client.errors import ReplyTooLarge, Unimplemented, typed_errors
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


class Generation:
    """A text or images in the making: an iterator of chunks. Leaving its `with` block, or `cancel`, stops the
    server's work.
    """

    def __init__(self, call: Any, address: str) -> None:
        self._call = call
        self._address = address
        self._has_begun = False

    def __iter__(self) -> Iterator[GenerateChunk]:
        return self

    def __next__(self) -> GenerateChunk:
        with typed_errors(self._address, self._has_begun):
            message = next(self._call)
        self._has_begun = True
        return replies.generate_chunk(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Stop the server's work; no effect on a generation that has ended."""
        self._call.cancel()


class TandemClient:
    """A client of the gateway, or of one backend, at `address` (host:port). Connects on the first call; thread-safe.

    Without an address it is that of TANDEM_ADDRESS or 127.0.0.1:50050; without `credentials` they are those of the
    environment, see tandem.client.credentials.

    Every method raises TandemRpcError (see tandem.client.errors), ValueError for a value that no request can carry, or
    when the client is closed, and TypeError for an argument of another type.
    """

    def __init__(self, address: str = "", credentials: Credentials | None = None) -> None:
        self.address = address = address or address_of_environment(DEFAULT_ADDRESS)
        credentials = credentials or Credentials.from_environment()
        self._metadata = credentials.metadata
        self._channel = open_channel(address, credentials)
        self._sequential = AutoregressiveServiceStub(self._channel)
        self._parallel = GanServiceStub(self._channel)
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; open calls are cancelled."""
        self._is_closed = True
        self._channel.close()

    def generate(self, prompt: Prompt | None = None, **options: Unpack[GenerateOptions]) -> Generation:
        """Stream the answer to `prompt`, or images of the class `label`, as they are generated."""
        remaining_seconds = time_left(options.get("timeout_seconds"))
        self._look_up("label", options, self.list_sequential_models, remaining_seconds())
        request = requests.generate_request(prompt, options)
        return Generation(self._call(self._sequential.Generate, request, remaining_seconds()), self.address)

    def complete(self, prompt: Prompt | None = None, **options: Unpack[GenerateOptions]) -> Completion:
        """Return the whole answer to `prompt`, or images of the class `label`, in one reply."""
        remaining_seconds = time_left(options.get("timeout_seconds"))
        self._look_up("label", options, self.list_sequential_models, remaining_seconds())
        request = requests.complete_request(prompt, options)
        return replies.completion(self._unary(self._sequential.Complete, request, remaining_seconds()))

    def score(self, content: str | Sequence[int], *, model: str = "", timeout_seconds: float | None = None) -> Score:
        """Return the exact log-likelihood of a plain text, or of token ids: at least two tokens."""
        contents = cast("list[str]", [content])
        (score,) = self.score_many(contents, model=model, timeout_seconds=timeout_seconds)
        return score

    def score_many(
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
        return replies.scores(self._unary(self._sequential.Score, request, timeout_seconds))

    def score_images(
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
        self._look_up("labels", asked, self.list_sequential_models, remaining_seconds())
        request = requests.score_images_request(images, asked["labels"], model, steps)
        return replies.scores(self._unary(self._sequential.Score, request, remaining_seconds()))

    def sample(self, count: int = 1, **options: Unpack[SampleOptions]) -> Images:
        """Draw `count` images, 1 to 100,000 unless the server says otherwise; in parts where one reply is too small."""
        remaining_seconds = time_left(options.get("timeout_seconds"))
        self._look_up("labels", options, self.list_parallel_models, remaining_seconds())
        request = requests.sample_request(count, options)
        with contextlib.suppress(ReplyTooLarge):
            return replies.images(self._unary(self._parallel.Sample, request, remaining_seconds()))
        parts = self._parts(SampleStreamRequest(sample=request), remaining_seconds())
        return joined_parts(list(parts))

    def sample_stream(
        self, count: int, *, images_per_message: int | None = None, **options: Unpack[SampleOptions]
    ) -> Generator[Images, None, None]:
        """Draw `count` images, up to 100,000, in parts as they are made; close the generator to stop."""
        remaining_seconds = time_left(options.get("timeout_seconds"))
        self._look_up("labels", options, self.list_parallel_models, remaining_seconds())
        request = requests.sample_stream_request(count, images_per_message, options)
        return self._parts(request, remaining_seconds())

    def _parts(self, request: Any, timeout_seconds: float | None) -> Generator[Images, None, None]:
        call = self._call(self._parallel.SampleStream, request, timeout_seconds)
        has_begun = False
        try:
            while True:
                with typed_errors(self.address, has_begun):
                    message = next(call, None)
                if message is None:
                    return
                has_begun = True
                yield replies.images(message.part)
        finally:
            call.cancel()

    def discriminate(
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
        self._look_up("labels", asked, self.list_parallel_models, remaining_seconds())
        request = requests.discriminate_request(images, asked["labels"], model)
        return replies.verdict(self._unary(self._parallel.Discriminate, request, remaining_seconds()))

    def list_models(self, *, timeout_seconds: float | None = None) -> Models:
        """Return the models of both paradigms; fails if either backend is away."""
        remaining_seconds = time_left(timeout_seconds)
        try:
            sequential = self.list_sequential_models(timeout_seconds=remaining_seconds())
        except Unimplemented:  # what serves neither is no server of ours, and says so once more
            return Models((), self.list_parallel_models(timeout_seconds=remaining_seconds()))
        with contextlib.suppress(Unimplemented):
            return Models(sequential, self.list_parallel_models(timeout_seconds=remaining_seconds()))
        return Models(sequential, ())

    def list_sequential_models(self, *, timeout_seconds: float | None = None) -> tuple[SequentialModel, ...]:
        """Return the sequential models loaded."""
        message = self._unary(self._sequential.ListModels, ListSequentialModels(), timeout_seconds)
        return replies.sequential_models(message)

    def list_parallel_models(self, *, timeout_seconds: float | None = None) -> tuple[ParallelModel, ...]:
        """Return the parallel models loaded."""
        message = self._unary(self._parallel.ListModels, ListParallelModels(), timeout_seconds)
        return replies.parallel_models(message)

    def _look_up(self, key: str, options: Any, list_models: Any, timeout_seconds: float | None) -> None:
        """Put the numbers of classes in the place of their names."""
        if has_names(options.get(key)):
            models = list_models(timeout_seconds=timeout_seconds)
            options[key] = class_numbers(options[key], options.get("model", ""), models)

    def _unary(self, rpc: Any, request: Any, timeout_seconds: float | None) -> Any:
        with typed_errors(self.address):
            return self._call(rpc, request, timeout_seconds)

    def _call(self, rpc: Any, request: Any, timeout_seconds: float | None) -> Any:
        if self._is_closed:
            raise ExpectedError("the client is closed")
        return rpc(request, timeout=call_seconds(timeout_seconds), metadata=self._metadata)
