"""What both clients do: each method as a generator of the calls that it makes.

A method yields each `Call`, is resumed with its reply or its error, and returns the method's result as plain values.
`synchronous` and `asynchronous` carry the calls out; each of their methods is one of these, or opens a stream by one.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, Unpack, cast

from numpy.typing import NDArray

from tandem.ar.v1.ar_pb2 import CompleteRequest
from tandem.ar.v1.ar_pb2 import ListModelsRequest as ListSequentialModels
from tandem.ar.v1.ar_pb2_grpc import AutoregressiveServiceStub
from tandem.client import replies, requests
from tandem.client.credentials import DEFAULT_ADDRESS, Credentials, address_of_environment
from tandem.client.errors import ReplyTooLarge, Unimplemented
from tandem.client.images import ImageBatch, Images, Verdict, join_parts
from tandem.client.labels import Labels, class_numbers, has_names
from tandem.client.models import Models, ParallelModel, SequentialModel
from tandem.client.options import GenerateOptions, Prompt, SampleOptions
from tandem.client.text import Completion, Score
from tandem.gan.v1.gan_pb2 import ListModelsRequest as ListParallelModels
from tandem.gan.v1.gan_pb2 import SampleStreamRequest
from tandem.gan.v1.gan_pb2_grpc import GanServiceStub
from tandem.shared.errors import ExpectedError


@dataclass(frozen=True)
class Call:
    """A call to make. `rpc` is a method of a stub; the reply to a stream is the list of its parts."""

    rpc: Any
    request: Any
    timeout_seconds: float | None
    is_stream: bool = False


Result = TypeVar("Result")
Steps: TypeAlias = Generator[Call, Any, Result]

MOST_SECONDS = 1e9
"""A longer limit, of more than 31 years, is none. grpc would take it for a time that is over."""


class Calls:
    """The methods; knows the services' stubs, and not how a call is waited for."""

    def __init__(self, channel: Any) -> None:
        self._sequential = AutoregressiveServiceStub(channel)
        self._parallel = GanServiceStub(channel)

    def open_generation(self, prompt: Prompt | None, options: GenerateOptions) -> Steps[Call]:
        """Return the call that streams a text or an image."""
        remaining_seconds = yield from self._look_up("label", options, self.list_sequential_models)
        request = requests.generate_request(prompt, options)
        return Call(self._sequential.Generate, request, remaining_seconds())

    def open_samples(self, count: int, images_per_message: int | None, options: SampleOptions) -> Steps[Call]:
        """Return the call that streams images in parts."""
        remaining_seconds = yield from self._look_up("labels", options, self.list_parallel_models)
        request = requests.sample_stream_request(count, images_per_message, options)
        return Call(self._parallel.SampleStream, request, remaining_seconds())

    def complete(self, prompt: Prompt | None = None, **options: Unpack[GenerateOptions]) -> Steps[Completion]:
        """Return the whole answer to `prompt`, or images of the class `label`, in one reply."""
        remaining_seconds = yield from self._look_up("label", options, self.list_sequential_models)
        request = CompleteRequest(generate=requests.generate_request(prompt, options))
        return replies.completion((yield Call(self._sequential.Complete, request, remaining_seconds())))

    def score(
        self, content: str | Sequence[int], *, model: str = "", timeout_seconds: float | None = None
    ) -> Steps[Score]:
        """Return the exact log-likelihood of a plain text, or of token ids: at least two tokens."""
        contents = cast("list[str]", [content])
        (score,) = yield from self.score_many(contents, model=model, timeout_seconds=timeout_seconds)
        return score

    def score_many(
        self,
        contents: Sequence[str] | Sequence[Sequence[int]],
        *,
        model: str = "",
        steps: int | None = None,
        tokens_per_step: int | None = None,
        context_tokens: int | None = None,
        timeout_seconds: float | None = None,
    ) -> Steps[list[Score]]:
        """Return the exact log-likelihoods of 1 to 256 plain texts, or lists of token ids, in one call.

        For a model that `takes_steps`: the likelihood of generation in `steps` steps, or of `tokens_per_step` tokens a
        step. The first `context_tokens` of each text, 1 by default, are not scored.
        """
        how = {"steps": steps, "tokens_per_step": tokens_per_step, "context_tokens": context_tokens}
        request = requests.score_request(contents, model, **how)
        return replies.scores((yield Call(self._sequential.Score, request, timeout_seconds)))

    def score_images(
        self,
        images: ImageBatch | NDArray[Any],
        labels: Labels | None = None,
        *,
        model: str = "",
        steps: int | None = None,
        timeout_seconds: float | None = None,
    ) -> Steps[list[Score]]:
        """Return the exact log-likelihoods of 1 to 1,024 images given their classes, under an image model.

        Images are [number, height, width(, channels)] of uint8, or float32 in the model's range; those that `sample`
        gave bring their labels with them. `steps`: under generation in so many steps, of a model that `takes_steps`.
        """
        options: dict[str, Any] = {"labels": labels, "model": model, "timeout_seconds": timeout_seconds}
        remaining_seconds = yield from self._look_up("labels", options, self.list_sequential_models)
        request = requests.score_images_request(images, options["labels"], model, steps)
        return replies.scores((yield Call(self._sequential.Score, request, remaining_seconds())))

    def sample(self, count: int = 1, **options: Unpack[SampleOptions]) -> Steps[Images]:
        """Draw `count` images, 1 to 100,000 unless the server says otherwise; in parts where one reply is too small."""
        remaining_seconds = yield from self._look_up("labels", options, self.list_parallel_models)
        request = requests.sample_request(count, options)
        with contextlib.suppress(ReplyTooLarge):
            return replies.images((yield Call(self._parallel.Sample, request, remaining_seconds())))
        streamed = SampleStreamRequest(sample=request)
        return join_parts((yield Call(self._parallel.SampleStream, streamed, remaining_seconds(), is_stream=True)))

    def discriminate(
        self,
        images: ImageBatch | NDArray[Any],
        *,
        labels: Labels | None = None,
        model: str = "",
        timeout_seconds: float | None = None,
    ) -> Steps[Verdict]:
        """Return the discriminator's verdict on images, as `score_images` takes them."""
        options: dict[str, Any] = {"labels": labels, "model": model, "timeout_seconds": timeout_seconds}
        remaining_seconds = yield from self._look_up("labels", options, self.list_parallel_models)
        request = requests.discriminate_request(images, options["labels"], model)
        return replies.verdict((yield Call(self._parallel.Discriminate, request, remaining_seconds())))

    def list_models(self, *, timeout_seconds: float | None = None) -> Steps[Models]:
        """Return the models of both paradigms; fails if either backend is away."""
        remaining_seconds = time_left(timeout_seconds)
        try:
            sequential = yield from self.list_sequential_models(timeout_seconds=remaining_seconds())
        except Unimplemented:  # what serves neither is no server of ours, and says so once more
            return Models((), (yield from self.list_parallel_models(timeout_seconds=remaining_seconds())))
        with contextlib.suppress(Unimplemented):
            return Models(sequential, (yield from self.list_parallel_models(timeout_seconds=remaining_seconds())))
        return Models(sequential, ())

    def list_sequential_models(self, *, timeout_seconds: float | None = None) -> Steps[tuple[SequentialModel, ...]]:
        """Return the sequential models loaded."""
        reply = yield Call(self._sequential.ListModels, ListSequentialModels(), timeout_seconds)
        return replies.sequential_models(reply)

    def list_parallel_models(self, *, timeout_seconds: float | None = None) -> Steps[tuple[ParallelModel, ...]]:
        """Return the parallel models loaded."""
        reply = yield Call(self._parallel.ListModels, ListParallelModels(), timeout_seconds)
        return replies.parallel_models(reply)

    def _look_up(self, key: str, options: Any, list_models: Any) -> Steps[Callable[[], float | None]]:
        """Put the numbers of classes in the place of their names; return what gives the seconds that are left."""
        remaining_seconds = time_left(options.get("timeout_seconds"))
        if has_names(options.get(key)):
            models = yield from list_models(timeout_seconds=remaining_seconds())
            options[key] = class_numbers(options[key], options.get("model", ""), models)
        return remaining_seconds


class Connection:
    """What both clients have: a channel, credentials, and an end."""

    _open_channel: Callable[[str, Credentials], Any]

    def __init__(self, address: str = "", credentials: Credentials | None = None) -> None:
        self.address = address or address_of_environment(DEFAULT_ADDRESS)
        credentials = credentials or Credentials.from_environment()
        self._channel = type(self)._open_channel(self.address, credentials)
        self._calls = Calls(self._channel)
        self._metadata = credentials.metadata
        self._is_closed = False

    def _begin(self, call: Call) -> Any:
        if self._is_closed:
            raise ExpectedError("the client is closed")
        return call.rpc(call.request, timeout=call_seconds(call.timeout_seconds), metadata=self._metadata)


def describe(wrapper: Callable[..., Any], method: Callable[..., Steps[Any]]) -> None:
    """Give a client's method the name, docstring and signature of the one that it carries out."""
    functools.update_wrapper(wrapper, method)
    signature = inspect.signature(method)
    result = str(signature.return_annotation).removeprefix("Steps[").removesuffix("]")
    wrapper.__signature__ = signature.replace(return_annotation=result)  # type: ignore[attr-defined]


def call_seconds(timeout_seconds: float | None) -> float | None:
    """Return the seconds that a call has, None for no limit. Raises ValueError for nan and what is below 0."""
    if timeout_seconds is None:
        return None
    if math.isnan(timeout_seconds) or timeout_seconds < 0:
        raise ExpectedError(f"timeout_seconds: {timeout_seconds} is not accepted; accepted: 0 or more")
    return timeout_seconds if timeout_seconds <= MOST_SECONDS else None


def time_left(timeout_seconds: float | None) -> Callable[[], float | None]:
    """Return a function that gives the seconds left, >= 0, counted from now; None if there is no limit.

    Raises ValueError like `call_seconds`.
    """
    seconds = call_seconds(timeout_seconds)
    if seconds is None:
        return lambda: None
    ends_at = time.monotonic() + seconds
    return lambda: max(0.0, ends_at - time.monotonic())
