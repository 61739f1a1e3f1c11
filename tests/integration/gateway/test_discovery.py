"""Replicas behind one name: those that come are met, those that go finish what they have, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from gateway import backend as backend_module
from runtime.routes import SEQUENTIAL
from tandem.ar.v1 import ar_pb2
from tests.integration.gateway.fakes import (
    GENERATE,
    FakeBackend,
    RunningGateway,
    running_gateway,
    sequential,
)

NAME = "ar:50051"
REQUEST = ar_pb2.GenerateRequest(text="a").SerializeToString()


class Names:
    """A resolver; `addresses` None: it does not answer."""

    def __init__(self) -> None:
        self.addresses: set[str] | None = set()
        self.num_asked = 0

    async def resolve(self, target: str) -> frozenset[str] | None:
        assert target == NAME
        self.num_asked += 1
        return None if self.addresses is None else frozenset(self.addresses)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(backend_module, "resolve", made.resolve)
    monkeypatch.setattr(backend_module, "RESOLVE_AGAIN_SECONDS", 0.01)
    return made


@pytest.fixture
async def named(names: Names, ar: FakeBackend) -> AsyncIterator[RunningGateway]:
    names.addresses = {ar.target}
    async with running_gateway(ar_targets=[NAME]) as gateway:
        await gateway.until_replicas_serve(SEQUENTIAL, 1)
        yield gateway


async def generate(gateway: RunningGateway) -> None:
    async for _ in gateway.stream(GENERATE, REQUEST):
        pass


def targets(gateway: RunningGateway) -> set[str]:
    return {replica.target for replica in gateway.gateway.backends[SEQUENTIAL].replicas}


async def until_targets(gateway: RunningGateway, wanted: set[str]) -> None:
    async with asyncio.timeout(20):
        while targets(gateway) != wanted:
            await asyncio.sleep(0)


async def test_a_new_replica_gets_its_share(named: RunningGateway, names: Names, ar: FakeBackend) -> None:
    async with sequential() as other:
        names.addresses = {ar.target, other.target}
        await named.until_replicas_serve(SEQUENTIAL, 2)
        for _ in range(6):
            await generate(named)
        assert (ar.servicer.num_calls, other.servicer.num_calls) == (3, 3)
        await named.until_idle()
        assert named.value("tandem_replica_serving", paradigm=SEQUENTIAL) == 2
        names.addresses = {ar.target}
        await until_targets(named, {ar.target})


async def test_one_that_is_gone_from_its_name_finishes_what_it_has_and_gets_nothing_more(
    named: RunningGateway, names: Names, ar: FakeBackend
) -> None:
    hold = asyncio.Event()
    ar.servicer.before_message = lambda index: hold.wait()
    held = asyncio.create_task(generate(named))
    async with sequential() as other:
        while not ar.servicer.open_calls:
            await asyncio.sleep(0)
        names.addresses = {other.target}
        await until_targets(named, {other.target})
        await named.until_replicas_serve(SEQUENTIAL, 1)
        for _ in range(4):
            await generate(named)
        assert (ar.servicer.num_calls, other.servicer.num_calls) == (1, 4)
        await named.until_idle()
        assert named.value("tandem_replica_serving", target=ar.target) == 0
        hold.set()
        await held


async def test_a_resolver_that_does_not_answer_changes_nothing(
    named: RunningGateway, names: Names, ar: FakeBackend
) -> None:
    names.addresses, before = None, names.num_asked
    async with asyncio.timeout(20):
        while names.num_asked < before + 3:
            await asyncio.sleep(0)
    assert targets(named) == {ar.target}
    await generate(named)


async def test_a_name_without_an_address_is_named(names: Names, ar: FakeBackend) -> None:
    async with running_gateway(ar_targets=[NAME]) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await generate(gateway)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert caught.value.details() == f"sequential backend has no address at {NAME}"
        assert "tandem_replica_serving" in exposed(gateway)
        names.addresses = {ar.target}
        await gateway.until(serving=True)
        await generate(gateway)


def exposed(gateway: RunningGateway) -> set[str]:
    return {
        sample.name
        for metric in gateway.gateway.registry.collect()
        for sample in metric.samples
        if sample.labels.get("target") == NAME
    }
