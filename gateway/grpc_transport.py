"""gRPC in front of the application layer: raw bytes in and out, one status and one record for each call."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

import grpc

from gateway.forward import Forwarder
from gateway.metrics import GatewayMetrics
from gateway.observation import Observation
from gateway.routes import Route, all_routes
from gateway.upstream_error import Trailers, UpstreamError
from runtime.deadlines import Deadline
from runtime.errors import Internal, TandemError
from runtime.rpc import Context, abort, code_of, read_message
from runtime.undisturbed import undisturbed

logger = logging.getLogger(__name__)

TRANSPORT = "grpc"


class GrpcTransport:
    """Serves the table of routes from `forwarder`."""

    def __init__(self, forwarder: Forwarder, metrics: GatewayMetrics) -> None:
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
            async with _Answer(route, context, self._metrics) as answer:
                request = await answer.request()
                return await self._forwarder.unary(route, request, answer.deadline, answer.observation)

        # Registered as a stream of requests: see runtime.rpc.
        return grpc.stream_unary_rpc_method_handler(unary)

    def _stream_handler(self, route: Route) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def stream(_: object, context: Context) -> None:
            async with _Answer(route, context, self._metrics) as answer:
                request = await answer.request()
                responses = self._forwarder.stream(route, request, answer.deadline, answer.observation)
                async with contextlib.aclosing(responses):
                    async for response in responses:
                        await undisturbed(context.write(response))

        return grpc.stream_stream_rpc_method_handler(stream)


class _Answer:
    """The end of a call: every way out becomes one status, one record, and the same trailers."""

    def __init__(self, route: Route, context: Context, metrics: GatewayMetrics) -> None:
        self._context = context
        self._metrics = metrics
        self.deadline = Deadline.after(context.time_remaining())
        self.observation = Observation(route, TRANSPORT)

    async def request(self) -> bytes:
        """Return the request message; the clock starts when it is here."""
        message = await read_message(self._context)
        self.observation.received()
        return message

    async def __aenter__(self) -> _Answer:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.observation.ended()
        code = code_of(error, self.deadline)
        self._metrics.record(self.observation, code)
        logger.debug("%s %s %.6f s", self.observation.route.path, code, self.observation.total_seconds)
        if error is None:
            self._context.set_trailing_metadata(self._trailers())
        elif not isinstance(error, asyncio.CancelledError):
            await self._refuse(error)

    async def _refuse(self, error: BaseException) -> None:
        if not isinstance(error, TandemError):
            logger.error("%s failed", self.observation.route.path, exc_info=error)
            error = Internal()
        trailers = self._trailers()
        if isinstance(error, UpstreamError):
            await self._context.abort(grpc.StatusCode[error.code], str(error), (*error.trailers, *trailers))
        await abort(self._context, error, trailers)

    def _trailers(self) -> Trailers:
        return (
            ("tandem-gateway-seconds", f"{self.observation.gateway_seconds:.6f}"),
            ("tandem-total-seconds", f"{self.observation.total_seconds:.6f}"),
        )


def service_names() -> Iterable[str]:
    """Return the full names of the services served."""
    return sorted({route.service for route in all_routes()})
