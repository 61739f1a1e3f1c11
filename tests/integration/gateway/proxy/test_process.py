"""Envoy as a child: its start, its drain, its end, and that it never outlives who started it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import grpc
import pytest

from gateway.proxy import process
from gateway.proxy.binary import find_envoy
from gateway.proxy.process import Envoy, EnvoyEnded
from gateway.proxy.sockets import private_sockets
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import begin
from tests.integration.gateway.fakes import GENERATE, SCORE
from tests.integration.gateway.proxy.backend import Backend, Held, never
from tests.integration.gateway.proxy.running import QUICK, Proxy, ended, proxy
from tests.waiting import until


async def test_a_drain_loses_no_stream_and_sends_newcomers_away(single: Proxy, ar: Backend) -> None:
    ar.answer = held = Held()
    calls = [single.stream(GENERATE) for _ in range(5)]
    for call in calls:
        await anext(aiter(call))
    drained = asyncio.create_task(single.envoy.drain(60))
    await until_refused(single.address)
    assert not drained.done()
    held.may_end.set()
    results = [await ended(call) for call in calls]
    assert [(result.code, result.replies) for result in results] == [(grpc.StatusCode.OK, [b"last"])] * 5
    assert await drained
    await single.observer.entry(5)


async def test_the_last_entries_of_its_log_can_be_awaited(ar: Backend) -> None:
    async with proxy([ar], limits={**QUICK, "log_flush": "1s"}) as running:
        assert (await running.call(SCORE)).code is grpc.StatusCode.OK
        assert not await running.envoy.until_logged(lambda: 0, 0.2)
        assert await running.envoy.until_logged(lambda: len(running.observer.entries), 60)
        assert len(running.observer.entries) == 1


async def until_refused(address: str) -> None:
    """Wait until no new connection gets in."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.05)


async def test_what_is_not_over_in_time_is_cut_off(single: Proxy, ar: Backend) -> None:
    ar.answer = never
    call = single.stream(GENERATE)
    await single.until_active(1)
    assert not await single.envoy.drain(0.1)
    await single.envoy.stop()
    assert (await ended(call)).code is grpc.StatusCode.UNAVAILABLE
    await until(ar.cancelled.is_set)


async def test_who_is_connected_learns_of_a_drain_with_the_next_reply(single: Proxy, ar: Backend) -> None:
    ar.answer = held = Held()
    stream = single.stream(GENERATE)
    await anext(aiter(stream))
    async with connected(single.address) as connection:
        assert await connection.greeted()
        drained = asyncio.create_task(single.envoy.drain(60))
        await until_refused(single.address)
        held.may_end.set()
        number = await begin(connection, SCORE, b"")
        await connection.stream(number).began.wait()
        assert connection.last_stream is not None
    assert await drained


@pytest.mark.parametrize("name", ["nonsense", "nonsense" * 10_000])
async def test_a_configuration_that_it_does_not_take_is_told(name: str) -> None:
    with private_sockets() as sockets:
        sockets.bootstrap.write_text(f'{{"{name}": 1}}')
        with pytest.raises(EnvoyEnded, match=name):
            await Envoy(find_envoy(), sockets).start()


async def test_one_that_hangs_is_killed(ar: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(process, "_LOOK_TIMEOUT_SECONDS", 0.5)
    async with proxy([ar]) as running:
        os.kill(running.envoy.pid, signal.SIGSTOP)
        reason = await asyncio.wait_for(running.envoy.wait_dead(), 60)
    assert str(reason).startswith("envoy ended with -9")


def test_the_folder_is_private_and_is_removed_and_so_are_those_of_gateways_that_were_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, strange = tmp_path / "tandem-gateway-left", tmp_path / "tandem-gateway-strange"
    for folder in (left, strange):
        folder.mkdir()
    (left / "lock").touch()
    with private_sockets() as sockets, private_sockets() as other:
        assert sockets.folder.stat().st_mode & 0o777 == 0o700
        assert {sockets.folder, other.folder, strange} == set(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == [strange]
