"""The client for ordinary code: calls block, streams are iterators. What it can be asked stands in `calls`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack

from tandem.client import replies
from tandem.client.calls import Call, Calls, Connection, Steps, describe
from tandem.client.credentials import open_channel
from tandem.client.errors import TandemRpcError, typed_errors
from tandem.client.images import Images
from tandem.client.options import GenerateOptions, Prompt, SampleOptions
from tandem.client.text import GenerateChunk

Given = ParamSpec("Given")
Result = TypeVar("Result")


class _Stream:
    """The messages of a call that is under way."""

    def __init__(self, call: Any, address: str) -> None:
        self._call = call
        self._address = address
        self._has_begun = False

    def read(self) -> Any:
        """Return the next message, None after the last one."""
        with typed_errors(self._address, self._has_begun):
            message = next(self._call, None)
        self._has_begun = True
        return message

    def cancel(self) -> None:
        """Stop the server's work; no effect on a call that has ended."""
        self._call.cancel()


class Generation(_Stream):
    """A text or images in the making: an iterator of chunks. Leaving its `with` block, or `cancel`, stops the
    server's work.
    """

    def __iter__(self) -> Iterator[GenerateChunk]:
        return self

    def __next__(self) -> GenerateChunk:
        if (message := self.read()) is None:
            raise StopIteration
        return replies.generate_chunk(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()


def make_blocking(
    method: Callable[Concatenate[Calls, Given], Steps[Result]],
) -> Callable[Concatenate[TandemClient, Given], Result]:
    """Return the client's method that makes a method's calls and returns its result."""

    def call(self: TandemClient, /, *arguments: Given.args, **options: Given.kwargs) -> Result:
        return self._run(method(self._calls, *arguments, **options))

    describe(call, method)
    return call


class TandemClient(Connection):
    """A client of the gateway, or of one backend, at `address` (host:port). Connects on the first call; thread-safe.

    Without an address it is that of TANDEM_ADDRESS or 127.0.0.1:50050; without `credentials` they are those of the
    environment, see tandem.client.credentials.

    Every method raises TandemRpcError (see tandem.client.errors), ValueError for a value that no request can carry, or
    when the client is closed, and TypeError for an argument of another type.
    """

    _open_channel = staticmethod(open_channel)

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
        return Generation(self._begin(self._run(self._calls.open_generation(prompt, options))), self.address)

    def sample_stream(
        self, count: int, *, images_per_message: int | None = None, **options: Unpack[SampleOptions]
    ) -> Generator[Images, None, None]:
        """Draw `count` images, up to 100,000, in parts as they are made; close the generator to stop."""
        return self._parts(self._run(self._calls.open_samples(count, images_per_message, options)))

    complete = make_blocking(Calls.complete)
    score = make_blocking(Calls.score)
    score_many = make_blocking(Calls.score_many)
    score_images = make_blocking(Calls.score_images)
    sample = make_blocking(Calls.sample)
    discriminate = make_blocking(Calls.discriminate)
    list_models = make_blocking(Calls.list_models)
    list_sequential_models = make_blocking(Calls.list_sequential_models)
    list_parallel_models = make_blocking(Calls.list_parallel_models)

    def _run(self, steps: Steps[Result]) -> Result:
        try:
            call = next(steps)
            while True:
                try:
                    reply = self._reply(call)
                except TandemRpcError as error:
                    call = steps.throw(error)
                else:
                    call = steps.send(reply)
        except StopIteration as end:
            result: Result = end.value
            return result

    def _reply(self, call: Call) -> Any:
        if call.is_stream:
            return list(self._parts(call))
        with typed_errors(self.address):
            return self._begin(call)

    def _parts(self, call: Call) -> Generator[Images, None, None]:
        stream = _Stream(self._begin(call), self.address)
        try:
            for message in iter(stream.read, None):
                yield replies.images(message.part)
        finally:
            stream.cancel()
