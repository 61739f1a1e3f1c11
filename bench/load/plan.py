"""What a process of the generator must know before it can begin, and the connections it makes of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from pydantic import BaseModel, ConfigDict

from bench.load.document import ServedModel
from bench.load.exchange import Line
from bench.load.messages import READERS, request_maker
from bench.load.scenario import Scenario
from bench.load.served import model_of
from tandem.ar.v1.ar_pb2_grpc import AutoregressiveServiceStub
from tandem.client.channels import open_async_channel
from tandem.client.credentials import Credentials
from tandem.gan.v1.gan_pb2_grpc import GanServiceStub

CONNECT_SECONDS = 10.0
_STUBS: dict[str, Any] = {"sequential": AutoregressiveServiceStub, "parallel": GanServiceStub}


class Plan(BaseModel):
    """A scenario whose works all name a model that is served at `address`."""

    model_config = ConfigDict(frozen=True)

    address: str
    scenario: Scenario
    models: tuple[ServedModel, ...]


@contextlib.asynccontextmanager
async def connected(plan: Plan) -> AsyncIterator[list[list[Line]]]:
    """Open the connections; yield lines[connection][work]. Raises ConnectionError if no server is there."""
    credentials, count = Credentials.from_environment(), plan.scenario.connections_per_process
    channels = [open_async_channel(plan.address, credentials) for _ in range(count)]
    try:
        await _ready(channels, plan.address)
        yield [_lines(plan, channel, credentials) for channel in channels]
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


async def _ready(channels: Sequence[grpc.aio.Channel], address: str) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.gather(*(channel.channel_ready() for channel in channels))
    except TimeoutError:
        raise ConnectionError(f"no connection to {address} within {CONNECT_SECONDS:g} s") from None


def _lines(plan: Plan, channel: grpc.aio.Channel, credentials: Credentials) -> list[Line]:
    lines = []
    for work in plan.scenario.works:
        stub: Any = _STUBS[work.paradigm](channel)
        make = request_maker(work, model_of(work, plan.models))
        rpc, read = getattr(stub, work.rpc), READERS[work.rpc]
        lines.append(Line(rpc, make, read, work.deadline_seconds, credentials.metadata))
    return lines
