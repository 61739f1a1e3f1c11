"""One replica of a backend: its channel, its health, its models, and how many requests it has in hand."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from enum import Enum
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.routes import Route

logger = logging.getLogger(__name__)

FOLLOW_AGAIN_SECONDS = 0.1
LIST_MODELS_SECONDS = 2.0
ASK_AGAIN_SECONDS = 1.0

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A replica that comes back must be met within a second, not after the default's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A host that vanished without a word is noticed by its silence.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A proxy in the environment is for the way out, not for our own backends.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A retry belongs to the application layer, which knows what was already forwarded.
    ("grpc.enable_retries", 0),
)


class State(Enum):
    """What is known of a replica; the value completes "the backend ..."."""

    UNREACHABLE = "is not reachable"
    NOT_SERVING = "is not ready"
    SERVING = "is serving"


class Replica:
    """A replica at `target` (host:port). With `credentials` the connection uses TLS, and its certificate must be for
    `name`, or for the target's host if that is empty.
    """

    def __init__(
        self, target: str, list_models: Route, credentials: grpc.ChannelCredentials | None = None, name: str = ""
    ) -> None:
        self.target = target
        self._credentials = credentials
        self._name = name
        self.state = State.UNREACHABLE
        self.in_flight = 0
        self.models: tuple[Any, ...] = ()
        self._list_models = list_models
        self._channel: grpc.aio.Channel
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._calls: dict[Route, Callable[..., Any]] = {}

    @property
    def is_serving(self) -> bool:
        return self.state is State.SERVING

    @property
    def is_connected(self) -> bool:
        return self._channel.get_state() is grpc.ChannelConnectivity.READY

    def start(self) -> None:
        """Make the channel; it connects when `watch` first uses it."""
        if self._credentials is None:
            self._channel = grpc.aio.insecure_channel(self.target, options=_OPTIONS)
            return
        options = (*_OPTIONS, ("grpc.ssl_target_name_override", self._name)) if self._name else _OPTIONS
        self._channel = grpc.aio.secure_channel(self.target, self._credentials, options=options)

    async def close(self) -> None:
        """Close the channel; whatever is under way fails."""
        await self._channel.close()

    async def close_when_idle(self) -> None:
        """Let what is in hand come to its end, then close; if cancelled, close at once."""
        try:
            await self._is_idle.wait()
        finally:
            await self.close()

    def call(
        self, route: Route, request: bytes, timeout_seconds: float | None, metadata: tuple[tuple[str, str], ...] = ()
    ) -> Any:
        """Begin an upstream call with raw bytes; fails at once if there is no connection.

        `metadata` is all that upstream gets: nothing that a client sent is passed on.
        """
        begin = self._calls.get(route)
        if begin is None:
            kind: Any = self._channel.unary_stream if route.streaming else self._channel.unary_unary
            begin = self._calls[route] = kind(route.path)
        return begin(request, timeout=timeout_seconds, metadata=metadata)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Count a request as in hand."""
        self.in_flight += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._is_idle.set()

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Follow the replica's health and await `changed` after each change of state; never returns."""
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                async for state in self._states():
                    await self._become(state, changed)
            if not await self._answers():
                await self._become(State.UNREACHABLE, changed)
            await asyncio.sleep(FOLLOW_AGAIN_SECONDS)

    async def _answers(self) -> bool:
        """Return whether the replica is there: connections have an age, and what outlives one ends with it."""
        try:
            await health_pb2_grpc.HealthStub(self._channel).Check(self._health_request(), timeout=ASK_AGAIN_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return True

    def _health_request(self) -> health_pb2.HealthCheckRequest:
        return health_pb2.HealthCheckRequest(service=self._list_models.service)

    async def _states(self) -> AsyncIterator[State]:
        is_lost = self.state is State.UNREACHABLE
        watch = health_pb2_grpc.HealthStub(self._channel).Watch(self._health_request(), wait_for_ready=is_lost)
        async for response in watch:
            if response.status == health_pb2.HealthCheckResponse.SERVING:
                # Before the first request, so that its metrics carry the model's name.
                await self._refresh_models()
                yield State.SERVING
            else:
                yield State.NOT_SERVING

    async def _refresh_models(self) -> None:
        try:
            reply = await self.call(self._list_models, b"", LIST_MODELS_SECONDS)
            self.models = tuple(self._list_models.response_class.FromString(reply).models)  # type: ignore[attr-defined]
        except (grpc.aio.AioRpcError, DecodeError) as error:
            logger.warning("%s does not list its models: %s", self.target, error)

    async def _become(self, state: State, changed: Callable[[], Awaitable[None]]) -> None:
        if state is self.state:
            return
        self.state = state
        logger.info("%s backend at %s %s", self._list_models.paradigm, self.target, state.value)
        await changed()
