"""Calls over grpc.aio.

Nothing here tears a read: a call that is to end early is cancelled itself, and its reader sees that end.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import grpc

from tandem.client.credentials import CallMetadata, Credentials, open_async_channel
from tandem.measure.generator.sending.python_call import Calls, Order, PythonCall
from tandem.measure.generator.sending.statuses import CANCELLED, INTERNAL
from tandem.measure.generator.sending.tables import End


class GrpcCalls(Calls):
    """They take turns on `num_connections` channels to `address`, which may be anything that grpc resolves."""

    def __init__(self, address: str, num_connections: int, credentials: Credentials) -> None:
        self._metadata = credentials.metadata
        self._channels = [open_async_channel(address, credentials) for _ in range(num_connections)]
        self._turns = itertools.cycle(self._channels)

    async def connect(self) -> None:
        await asyncio.gather(*(channel.channel_ready() for channel in self._channels))

    async def close(self) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels))

    def begin(self, order: Order) -> PythonCall:
        return GrpcCall(next(self._turns), self._metadata, order)


class GrpcCall(PythonCall):
    """One call on a channel."""

    def __init__(self, channel: grpc.aio.Channel, metadata: CallMetadata | None, order: Order) -> None:
        super().__init__(order)
        rpc: Any = channel.unary_stream(order.route.path)  # a unary reply is a stream of one message
        self.wait_for_its_time()
        self._call = rpc(order.message, timeout=order.route.deadline_seconds, metadata=metadata)

    def cancel(self, end: End) -> None:
        if self._call.cancel():
            self.end = end

    async def read_reply(self) -> None:
        try:
            while (message := await self._call.read()) is not grpc.aio.EOF:
                self.take(message, self.now())
            self.ended = self.now()
            if not self.order.route.is_streamed and len(self.messages) != 1:
                self.code, self.text = INTERNAL, "OK without a whole reply"
        except grpc.aio.AioRpcError as error:
            self.code, self.text = int(error.code().value[0]), error.details() or ""
        except asyncio.CancelledError:
            # grpc raises it for any call that ended as CANCELLED, whoever ended it; asyncio for our own end.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self.code, self.text = CANCELLED, "by the server"
