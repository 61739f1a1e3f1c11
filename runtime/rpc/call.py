"""One call of an rpc, from raw bytes to status, whatever transport it came by: what is known of it, and how it ends.

Knows nothing of what the methods do.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from runtime.deadlines import Deadline
from runtime.rpc.message import Context, cancelled_by_client
from runtime.rpc.metadata import (
    Owner,
    arrival_wait_seconds,
    caller_of,
    metadata_of,
    owner_of,
    peer_entries,
    sampled_trace_id,
)
from runtime.rpc.routes import Route, route_of
from runtime.rpc.served import REQUEST_ID_METADATA, SERVED_METADATA, ServedCount, ServedLedger
from runtime.rpc.status import code_of, status_details
from tandem.shared.errors import Internal, InvalidArgument, ResourceExhausted, TandemError

logger = logging.getLogger(__name__)

_CODES = {code.value[0]: code for code in grpc.StatusCode}

M = TypeVar("M", bound=Message)

Entry: TypeAlias = tuple[str, str | bytes]
Answer: TypeAlias = Callable[[Any], bool]
"""Ends a call with its reply, or with the exception that it failed with; returns whether the client is still there."""


def parse(message_class: type[M], raw: bytes) -> M:
    """Return the message in `raw`. Raises InvalidArgument if it is malformed."""
    try:
        return message_class.FromString(raw)
    except DecodeError:
        raise InvalidArgument("request", raw[:16], f"a {message_class.DESCRIPTOR.full_name} message") from None


class RpcObserver(Protocol):
    """Told once of each call that ended: with the others that were refused as it was, or alone.

    `trace_id` is the recorded trace that a call belongs to, empty if there is none.
    """

    def finished(self, rpc: str, code: str, seconds: float, trace_id: str) -> None: ...

    def refused(self, rpc: str, code: str, count: int) -> None: ...


@dataclass(frozen=True, eq=False)
class Method:
    """One rpc of a service, and who counts its calls."""

    name: str
    behaviour: Callable[..., Any]
    request_class: type[Message]
    route: Route | None
    is_streaming: bool
    has_model: bool
    observer: RpcObserver | None
    ledger: ServedLedger | None

    @classmethod
    def of(
        cls, method: MethodDescriptor, servicer: object, observer: RpcObserver | None, ledger: ServedLedger | None
    ) -> Method:
        """Return the method of the servicer that an rpc calls: `sample_stream` for SampleStream."""
        snake_case = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method.name).lstrip("_")
        return cls(
            method.name,
            behaviour=getattr(servicer, snake_case),
            request_class=GetMessageClass(method.input_type),
            route=route_of(method),
            is_streaming=method.server_streaming,
            has_model="model" in method.input_type.fields_by_name,
            observer=observer,
            ledger=ledger,
        )

    @property
    def is_callback(self) -> bool:
        """Whether it is given a function to end the call with, instead of being a coroutine or a generator."""
        return not self.is_streaming and not inspect.iscoroutinefunction(self.behaviour)


class End(NamedTuple):
    """What a client is told of the end of its call.

    With `capacity_left`, the status holds for calls like it as well, with `cached_trailers` instead of `trailers`,
    while `capacity_left()` more of them is none.
    """

    status: int
    details: str
    trailers: Sequence[Entry]
    cached_trailers: Sequence[Entry] = ()
    capacity_left: Callable[[], int] | None = None


class Call:
    """What a method may know of its call: when it came, how long it may take, and who calls; and how it ends.

    `received_at`: when it arrived at the proxy, if there is one, else when its handler began; `started_at`: when its
    handler had the message. Both are monotonic seconds; what passes between them is queueing time.

    However the call ends, there is one status for the client and the observer. Calls of the routes that Tandem counts
    have in their trailers what they were served, whatever their status. Those that are cancelled have no trailers; the
    ledger keeps what they were served.
    """

    def __init__(self, method: Method, metadata: Sequence[Entry], deadline: Deadline) -> None:
        self._method = method
        self._metadata = metadata_of(metadata)
        self.arrival_wait_seconds = arrival_wait_seconds(self._metadata, time.time())
        self.started_at = time.monotonic()
        self.received_at = self.started_at - self.arrival_wait_seconds
        self.deadline = deadline
        self.trace_id = sampled_trace_id(self._metadata)
        """The trace that the call belongs to, if it is recorded; else empty."""
        self.model = ""
        """The name of the model that serves the call; the method enters it as soon as it is known."""
        self.trailers: tuple[tuple[str, str], ...] = ()
        """Trailing metadata of a reply of a service that the gateway does not count; the method enters it."""
        self._count = None if method.route is None else ServedCount(method.route)
        self._names_model = False

    @property
    def caller(self) -> str:
        """The opaque identifier that the gateway sent, or `runtime.rpc.metadata.NOBODY`. Raises InvalidArgument."""
        return caller_of(self._metadata)

    @property
    def owner(self) -> Owner:
        """Whose work it is when callers take turns: the caller, else the peer's address. Raises InvalidArgument."""
        return owner_of(self._metadata)

    @property
    def request_id(self) -> str:
        """The identifier that the proxy gave the request, empty if it gave none."""
        value = self._metadata.get(REQUEST_ID_METADATA, "")
        return str(value[0] if isinstance(value, tuple) else value)

    # How servers begin and end it.

    def read(self, raw: bytes) -> Message:
        """Return the request, which is there from now on. Raises InvalidArgument if it is malformed."""
        self.started_at = time.monotonic()
        request = parse(self._method.request_class, raw)
        # Only if the request says whose queue it is for does what it is answered hold for those like it.
        self._names_model = self._method.has_model and bool(request.model)  # type: ignore[attr-defined]
        return request

    def sent(self, message: Message) -> None:
        """Count a message that goes out, or is the reply."""
        if self._count is not None:
            self._count.sent(message)

    def end(self, error: BaseException | None = None) -> End | None:
        """Count the end of the call; return what its client is told, None if it is not there any more."""
        code = "OK" if error is None else code_of(error, self.deadline)
        seconds = time.monotonic() - self.received_at
        if self._method.observer is not None:
            self._method.observer.finished(self._method.name, code, seconds, self.trace_id)
        trailers = self._trailers(seconds)
        if error is None:
            return End(0, "", trailers)
        if isinstance(error, asyncio.CancelledError):
            return None
        return self._failure(self._public(error), trailers)

    def _failure(self, error: TandemError, trailers: Sequence[Entry]) -> End:
        status, details = grpc.StatusCode[error.code].value[0], tuple(status_details(error).items())
        capacity_left = error.capacity_left if isinstance(error, ResourceExhausted) and self._names_model else None
        if capacity_left is None:
            return End(status, str(error), (*details, *trailers))
        cached_trailers = () if self._count is None else _trailer(self._count.served(self.model, 0.0, 0.0))
        return End(status, str(error), (*details, *trailers), (*details, *cached_trailers), capacity_left)

    def _trailers(self, backend_seconds: float) -> Sequence[Entry]:
        if self._count is None:
            return self.trailers
        trailers = _trailer(self._count.served(self.model, backend_seconds, self.arrival_wait_seconds))
        if self._method.ledger is not None:
            self._method.ledger.keep(self.request_id, trailers[0][1])
        return trailers

    def _public(self, error: BaseException) -> TandemError:
        if isinstance(error, TandemError):
            return error
        logger.error("%s failed", self._method.name, exc_info=error)
        return Internal()


@contextlib.asynccontextmanager
async def open_call(method: Method, context: Context) -> AsyncIterator[Call]:
    """Yield a call that has a context, and end it as the block ends."""
    metadata = tuple(context.invocation_metadata() or ())
    if (peer := getattr(context, "peer", None)) is not None:  # grpcio's; our own server has added what it knows
        metadata += peer_entries(metadata, peer())
    call = Call(method, metadata, Deadline.after(context.time_remaining()))
    try:
        yield call
    except BaseException as error:
        end = call.end(error)
        if end is None:
            raise
        code = _CODES[end.status]
        if end.capacity_left is not None and (refuse_alike := getattr(context, "refuse_alike", None)) is not None:
            await refuse_alike(code, *end[1:])
        with cancelled_by_client():
            await context.abort(code, end.details, tuple(end.trailers))
    else:
        end = call.end()
        assert end is not None  # noqa: S101  there was no error
        context.set_trailing_metadata(tuple(end.trailers))


def _trailer(served: Message) -> tuple[tuple[str, bytes]]:
    return ((SERVED_METADATA, served.SerializeToString()),)


EndCall: TypeAlias = Callable[[int, End, bytes | None], None]
"""Ends a call by its id, with its reply if there is one."""


class CallbackCall(Call):
    """Used on the event loop alone."""

    def __init__(
        self, method: Method, metadata: Sequence[Entry], deadline: Deadline, call_id: int, end_call: EndCall
    ) -> None:
        super().__init__(method, metadata, deadline)
        self._id = call_id
        self._end_call = end_call
        self._is_ended = False
        self._leave: Callable[[], None] | None = None

    def begin(self, raw: bytes) -> None:
        """Read the request, and call the method with it."""
        try:
            leave = self._method.behaviour(self.read(raw), self, self._answer)
        except Exception as error:
            self._answer(error)
        else:
            if not self._is_ended:
                self._leave = leave

    def leave(self) -> None:
        """Note that the client has gone, or may wait no longer."""
        if not self._is_ended:
            self._is_ended = True
            leave, self._leave = self._leave, None
            if leave is not None:
                leave()
            self.end(asyncio.CancelledError())

    def _answer(self, result: Any) -> bool:
        if self._is_ended:
            return False
        self._is_ended = True
        self._leave = None  # it knows what the call waits for, which knows the call: a cycle
        error, reply = (result, None) if isinstance(result, BaseException) else (None, b"")
        if error is None:
            try:
                reply = result.SerializeToString()
                self.sent(result)
            except Exception as broken:
                error, reply = broken, None
        end = self.end(error)
        if end is not None:
            self._end_call(self._id, end, reply)
        return True
