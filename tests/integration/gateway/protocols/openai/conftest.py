"""A plain HTTP client of a gateway, OpenAI's own, and our own RPCs to compare with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import openai
import pytest

from tandem.ar.v1 import ar_pb2_grpc
from tandem.gan.v1 import gan_pb2_grpc
from tests.integration.gateway.protocols.openai.events import Stubs
from tests.integration.gateway.running import RunningGateway


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's own client, which holds every reply against OpenAI's types."""
    address = f"{gateway.web_address}/v1"
    async with openai.AsyncOpenAI(base_url=address, api_key="none", _strict_response_validation=True) as client:
        yield client


@pytest.fixture
def stubs(gateway: RunningGateway) -> Stubs:
    """Our own RPCs through the same gateway."""
    channel: grpc.aio.Channel = gateway.channel
    return Stubs(ar_pb2_grpc.AutoregressiveServiceStub(channel), gan_pb2_grpc.GanServiceStub(channel))
