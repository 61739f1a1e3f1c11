"""gRPC in front of the application layer: raw bytes in and out, one status and one record for each call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import grpc

from gateway.answer import Answer
from gateway.api_keys import bearer
from gateway.door import Caller, Door
from gateway.forward import Forwarder
from gateway.metrics import GatewayMetrics
from gateway.routes import Route, all_routes
from gateway.upstream_error import UpstreamError
from runtime.deadlines import Deadline
from runtime.rpc import Context, abort, read_message, write

TRANSPORT = "grpc"


class GrpcTransport:
    """Serves the table of routes from `forwarder`."""

    def __init__(self, door: Door, forwarder: Forwarder, metrics: GatewayMetrics) -> None:
        self._door = door
        self._forwarder = forwarder
        self._metrics = metrics

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return one handler for each service."""
        services: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {}
        for route in all_routes():
            handler = self._stream_handler(route) if route.streaming else self._unary_handler(route)
            services.setdefault(route.service, {})[route.rpc] = handler
        return [grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items()]

    def _unary_handler(self, route: Route) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def unary(_: object, context: Context) -> bytes:
            async with _Call(route, context, self._metrics) as call:
                caller = call.enter(self._door)
                request = await call.request()
                return await self._forwarder.unary(route, request, caller, call.deadline, call.observation)

        # Registered as a stream of requests: see runtime.rpc.
        return grpc.stream_unary_rpc_method_handler(unary)

    def _stream_handler(self, route: Route) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def stream(_: object, context: Context) -> None:
            async with _Call(route, context, self._metrics) as call:
                caller = call.enter(self._door)
                request = await call.request()
                responses = self._forwarder.stream(route, request, caller, call.deadline, call.observation)
                async with contextlib.aclosing(responses):
                    async for response in responses:
                        await write(context, response)

        return grpc.stream_stream_rpc_method_handler(stream)


class _Call(Answer):
    """A call: its end becomes a status, with the same trailers whatever it is."""

    def __init__(self, route: Route, context: Context, metrics: GatewayMetrics) -> None:
        super().__init__(route, TRANSPORT, Deadline.after(context.time_remaining()), metrics)
        self._context = context

    def enter(self, door: Door) -> Caller:
        """Return whose call it is. Raises Unauthenticated, OverBudget."""
        metadata = self._context.invocation_metadata() or ()
        return self.admit(door, bearer([str(value) for key, value in metadata if key == "authorization"]))

    async def request(self) -> bytes:
        """Return the request message; the clock starts when it is here."""
        message = await read_message(self._context)
        self.observation.received()
        return message

    async def __aenter__(self) -> _Call:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.end(error)
        if error is None:
            self._context.set_trailing_metadata(self.seconds())
        elif not isinstance(error, asyncio.CancelledError):
            await self._refuse(error)

    async def _refuse(self, error: BaseException) -> None:
        public = self.public(error)
        if isinstance(public, UpstreamError):
            await self._context.abort(grpc.StatusCode[public.code], str(public), (*public.trailers, *self.seconds()))
        await abort(self._context, public, self.seconds())


def service_names() -> Iterable[str]:
    """Return the full names of the services served."""
    return sorted({route.service for route in all_routes()})
