"""What the gateway knows of its replicas follows what Envoy says, and who is concerned is told of each change once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.figures import replicas
from gateway.figures.replicas import Replicas
from tests.integration.gateway.fakes import FakeBackend, FakeSequential, sequential
from tests.integration.gateway.proxy.running import Proxy, proxy
from tests.waiting import until


class Watched:
    """The replicas behind a running Envoy, and what has been told of them."""

    def __init__(self, running: Proxy, targets: list[str]) -> None:
        self.proxy = running
        self.admin = running.envoy.admin
        self.replicas = Replicas({"sequential": targets, "parallel": []}, self._changed)
        self.changes: list[tuple[str, bool]] = []

    async def _changed(self, paradigm: str, is_serving: bool) -> None:
        names = [model.name for model in self.replicas.models(paradigm)]
        assert bool(names) or not is_serving  # who hears that there is a replica may ask what it has
        self.changes.append((paradigm, is_serving))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.01)
                await self.replicas.poll(self.admin)


@contextlib.asynccontextmanager
async def watched(*backends: FakeBackend) -> AsyncIterator[Watched]:
    targets = [each.target for each in backends]
    async with proxy(ar_targets=targets) as running:
        here = Watched(running, targets)
        yield here
        await here.replicas.close()


async def test_each_change_is_told_once(ar: FakeBackend) -> None:
    async with watched(ar) as here:
        await here.until(lambda: here.replicas.is_serving("sequential"))
        for _ in range(3):
            await here.replicas.poll(here.admin)
        await ar.set_serving(False)
        await here.until(lambda: not here.replicas.is_serving("sequential"))
        await ar.set_serving(True)
        await here.until(lambda: here.replicas.is_serving("sequential"))
        told = [is_serving for paradigm, is_serving in here.changes if paradigm == "sequential"]
        assert told[-3:] == [True, False, True]
        assert all(first != second for first, second in itertools.pairwise(told))
        assert [change for change in here.changes if change[0] == "parallel"] == [("parallel", False)]


async def test_models_are_those_of_the_replicas_that_serve(ar: FakeBackend) -> None:
    async with sequential() as other, watched(ar, other) as here:
        await here.until(lambda: sum(each.is_serving for each in here.replicas.of("sequential")) == 2)
        assert [model.name for model in here.replicas.models("sequential")] == ["fake-text"]
        await ar.set_serving(False)
        await other.set_serving(False)
        await here.until(lambda: not here.replicas.is_serving("sequential"))
        assert here.replicas.models("sequential") == []


async def test_a_replica_that_does_not_list_its_models_is_asked_again_and_told_of_once(
    ar: FakeBackend, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two answers are errors."""
    answers = iter([False, False])
    list_models = FakeSequential.list_models

    async def sometimes(self: FakeSequential, request: Any, call: Any) -> Any:
        if not next(answers, True):
            raise RuntimeError("not now")
        return await list_models(self, request, call)

    monkeypatch.setattr(FakeSequential, "list_models", sometimes)
    async with sequential() as backend, proxy(ar_targets=[backend.target]) as running:
        known = Replicas({"sequential": [backend.target]})
        await running.until_serving(1)
        for expected in (0, 0, 1):
            await known.poll(running.envoy.admin)
            assert len(known.models("sequential")) == expected
        await known.close()
    assert caplog.text.count("does not list its models") == 1


async def test_what_was_known_stays_while_envoy_does_not_answer(
    ar: FakeBackend, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "POLL_SECONDS", 0.01)
    async with watched(ar) as here:
        await here.until(lambda: here.replicas.is_serving("sequential"))
        await here.proxy.envoy.stop()
        task = asyncio.create_task(here.replicas.run(here.admin))
        await until(lambda: caplog.text.count("does not report") >= 2)
        assert here.replicas.is_serving("sequential")
        assert not task.done()
        task.cancel()
