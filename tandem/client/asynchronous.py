"""The client for asyncio: calls are awaited, streams are async iterators. What it can be asked stands in `calls`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, Unpack

import grpc

from tandem.client import replies
from tandem.client.calls import Call, Calls, Connection, Steps, describe
from tandem.client.credentials import open_async_channel
from tandem.client.errors import CANCELLED_HERE, Cancelled, TandemRpcError, typed_errors
from tandem.client.images import Images
from tandem.client.options import GenerateOptions, Prompt, SampleOptions
from tandem.client.text import GenerateChunk

Given = ParamSpec("Given")
Result = TypeVar("Result")


class _Run(Generic[Result]):
    """Carries a method's calls out. What comes before the first of them is done at once, so that it can raise."""

    def __init__(self, client: AsyncTandemClient, steps: Steps[Result]) -> None:
        self._client = client
        self._steps = steps
        self.next_call: Call | None = None
        self._advance(lambda: next(steps))

    def _advance(self, step: Callable[[], Call]) -> None:
        try:
            self.next_call = step()
        except StopIteration as end:
            self.next_call = None
            self.result: Result = end.value

    async def finish(self) -> Result:
        while self.next_call is not None:
            try:
                reply = await self._client._reply(self.next_call)
            except TandemRpcError as error:
                self._advance(lambda error=error: self._steps.throw(error))  # type: ignore[misc]
            else:
                self._advance(lambda reply=reply: self._steps.send(reply))  # type: ignore[misc]
        return self.result


class AsyncGeneration:
    """A text or images in the making: an async iterator of chunks. Leaving its `async with` block, or `cancel`, stops
    the server's work.
    """

    def __init__(self, client: AsyncTandemClient, opening: _Run[Call]) -> None:
        self._client = client
        self._opening = opening
        self._is_cancelled = False
        # With the name of a class, the call begins at the first read: the name is looked up before.
        self._stream = self._begin() if opening.next_call is None else None

    def _begin(self) -> _Stream:
        return _Stream(self._client._begin(self._opening.result), self._client.address)

    def __aiter__(self) -> AsyncIterator[GenerateChunk]:
        return self

    async def __anext__(self) -> GenerateChunk:
        if self._stream is None:
            await self._opening.finish()
            self._stream = self._begin()
            if self._is_cancelled:
                self._stream.cancel()
        if (message := await self._stream.read()) is None:
            raise StopAsyncIteration
        return replies.generate_chunk(message)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Stop the server's work; no effect on a generation that has ended."""
        self._is_cancelled = True
        if self._stream is not None:
            self._stream.cancel()


class _Stream:
    """The messages of a call that is under way."""

    def __init__(self, call: Any, address: str) -> None:
        self._call = call
        self._address = address
        self._has_begun = False
        self.cancel = call.cancel

    async def read(self) -> Any:
        """Return the next message, None after the last one."""
        with typed_errors(self._address, self._has_begun), _own_cancellation():
            message = await self._call.read()
        self._has_begun = True
        return None if message is grpc.aio.EOF else message


def make_awaitable(
    method: Callable[Concatenate[Calls, Given], Steps[Result]],
) -> Callable[Concatenate[AsyncTandemClient, Given], Coroutine[Any, Any, Result]]:
    """Return the client's method that makes a method's calls and returns its result."""

    async def call(self: AsyncTandemClient, /, *arguments: Given.args, **options: Given.kwargs) -> Result:
        return await _Run(self, method(self._calls, *arguments, **options)).finish()

    describe(call, method)
    return call


class AsyncTandemClient(Connection):
    """A client of the gateway, or of one backend, at `address` (host:port). Make it where an event loop runs.

    Without an address it is that of TANDEM_ADDRESS or 127.0.0.1:50050; without `credentials` they are those of the
    environment, see tandem.client.credentials.

    Every method raises TandemRpcError (see tandem.client.errors), ValueError for a value that no request can carry, or
    when the client is closed, and TypeError for an argument of another type.
    Cancelling a task that awaits a call cancels the call.
    """

    _open_channel = staticmethod(open_async_channel)

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
        return AsyncGeneration(self, _Run(self, self._calls.open_generation(prompt, options)))

    def sample_stream(
        self, count: int, *, images_per_message: int | None = None, **options: Unpack[SampleOptions]
    ) -> AsyncGenerator[Images, None]:
        """Draw `count` images, up to 100,000, in parts as they are made; close the generator to stop."""
        return self._parts(_Run(self, self._calls.open_samples(count, images_per_message, options)))

    complete = make_awaitable(Calls.complete)
    score = make_awaitable(Calls.score)
    score_many = make_awaitable(Calls.score_many)
    score_images = make_awaitable(Calls.score_images)
    sample = make_awaitable(Calls.sample)
    discriminate = make_awaitable(Calls.discriminate)
    list_models = make_awaitable(Calls.list_models)
    list_sequential_models = make_awaitable(Calls.list_sequential_models)
    list_parallel_models = make_awaitable(Calls.list_parallel_models)

    async def _reply(self, call: Call) -> Any:
        if call.is_stream:
            return [part async for part in self._parts(call)]
        with typed_errors(self.address), _own_cancellation():
            return await self._begin(call)

    async def _parts(self, opening: Call | _Run[Call]) -> AsyncGenerator[Images, None]:
        call = opening if isinstance(opening, Call) else await opening.finish()
        stream = _Stream(self._begin(call), self.address)
        try:
            while (message := await stream.read()) is not None:
                yield replies.images(message.part)
        finally:
            stream.cancel()


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
