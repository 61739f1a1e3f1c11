"""ModelStreamInfer: many requests in one call, each answered by itself and identified by its id.

Requests run beside each other, and responses come as they are ready. Those of requests without an id come in the order
of the requests, which nothing else distinguishes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import grpc

from gateway.admission import Admission, Entrance, Identity
from gateway.protocols.oip.arrived import Arrived
from gateway.protocols.oip.inference import Inference
from gateway.protocols.oip.tensors import FINAL
from runtime.deadlines import Deadline
from runtime.limits import MAX_MESSAGE_BYTES
from runtime.rpc.message import Context, write
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from tandem.shared.errors import Internal, MessageTooLarge, TandemError, Unavailable

logger = logging.getLogger(__name__)

MAX_REQUESTS = 256
"""Requests of one stream that may be under way; the next is read when one of them has ended."""


def identify(admission: Admission, context: Context) -> None:
    """Put into the admission of a request who calls, and until when."""
    admission.identity = Identity.of_metadata(context.invocation_metadata() or ())
    admission.deadline = Deadline.after(context.time_remaining())


class InferStream:
    """One call. Its end, by the client or by its deadline, cancels every request in it."""

    def __init__(self, inference: Inference, entrance: Entrance, context: Context) -> None:
        self._inference = inference
        self._entrance = entrance
        self._context = context
        self._places = asyncio.Semaphore(MAX_REQUESTS)
        self._writing = asyncio.Lock()
        self._unnamed: asyncio.Task[None] | None = None  # the last request without an id

    async def run(self) -> None:
        """Answer until the client has sent its last request and has all responses. Raises Unavailable in a drain."""
        # A proxy gives a request so long to be whole, until the reply begins; this one is not whole before its end.
        await self._context.send_initial_metadata(())
        with self._entrance.hold():  # it ends itself in a drain, when its requests have ended
            draining = asyncio.create_task(self._entrance.draining.wait())
            try:
                async with asyncio.TaskGroup() as requests:
                    while (raw := await self._next(draining)) is not grpc.aio.EOF:
                        requests.create_task(self._serve(raw)).add_done_callback(lambda _: self._places.release())
            finally:
                draining.cancel()
        if self._entrance.is_draining:
            raise Unavailable("the gateway is stopping")

    async def _next(self, draining: asyncio.Task[Any]) -> Any:
        """Return the next request, raw, or EOF, at the beginning of a drain as well."""
        await self._places.acquire()
        reading = asyncio.ensure_future(self._context.read())
        await asyncio.wait((reading, draining), return_when=asyncio.FIRST_COMPLETED)
        # A read that is not over is left alone: it ends with the call, and how does not matter.
        reading.add_done_callback(lambda left: left.cancelled() or left.exception())
        return reading.result() if reading.done() else grpc.aio.EOF

    async def _serve(self, raw: bytes) -> None:
        head, before = ModelInferRequest(), None
        try:
            if len(raw) > MAX_MESSAGE_BYTES:
                raise MessageTooLarge(len(raw), MAX_MESSAGE_BYTES)
            arrived = Arrived.of(raw)
            head = arrived.head
            # Nothing has waited yet since the task began, so this is the order of arrival.
            if not head.id:
                before, self._unnamed = self._unnamed, asyncio.current_task()
            await self._respond(arrived, before)
        except TandemError as error:
            await self._write_error(head, error, before)
        except Exception:
            logger.exception("a request of a stream failed")
            await self._write_error(head, Internal(), before)

    async def _respond(self, arrived: Arrived, before: asyncio.Task[None] | None) -> None:
        with self._entrance.admit() as admission:
            identify(admission, self._context)
            responses = self._inference.replies(arrived.head, arrived.read, admission, is_streamed=True)
            async with contextlib.aclosing(responses):
                async for response in responses:
                    await self._write(ModelStreamInferResponse(infer_response=response), before)

    async def _write_error(
        self, head: ModelInferRequest, error: TandemError, before: asyncio.Task[None] | None
    ) -> None:
        """Send the error in the stream, which continues; the message is the last one of its request."""
        response = ModelInferResponse(model_name=head.model_name, id=head.id)
        response.parameters[FINAL].bool_param = True
        message = f"[{error.code}] {error}"
        await self._write(ModelStreamInferResponse(error_message=message, infer_response=response), before)

    async def _write(self, message: ModelStreamInferResponse, before: asyncio.Task[None] | None) -> None:
        """Send a message, after all those of the request `before`."""
        if before is not None and not before.done():
            await asyncio.wait([before])
        async with self._writing:
            await write(self._context, message)
