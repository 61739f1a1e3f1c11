"""Engines as real processes: awake one at a time, their tokens over HTTP, and what happens when one fails."""

import asyncio
import random

import psutil
import pytest

from benchmarks.peers.engine import Need
from benchmarks.side_by_side.fleet import CannotServe, Fleet
from benchmarks.side_by_side.held_text import HeldText
from benchmarks.side_by_side.replies import Asker, Reply
from benchmarks.side_by_side.results import Results
from benchmarks.side_by_side.session import Session
from benchmarks.side_by_side.workloads import WORKLOADS
from tests.integration.benchmarks.side_by_side.counting_engine import CountingEngine

NEED = Need(1, 256)
DECODE = next(workload for workload in WORKLOADS if workload.name == "decode_1")


@pytest.fixture
async def fleet(tmp_path):
    async with Fleet(tmp_path / "logs") as fleet:
        yield fleet


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_server_sleeps_when_it_is_not_its_turn_and_is_kept(fleet):
    engine = CountingEngine()
    async with fleet.awake(engine, NEED) as server:
        process = psutil.Process(server.process.pid)
        assert process.status() != psutil.STATUS_STOPPED
        assert server.peak_memory_bytes() > 10 * 2**20
    await until(lambda: process.status() == psutil.STATUS_STOPPED)
    async with fleet.awake(engine, NEED) as again:
        assert again is server
        async with engine.connect(server.port) as connection:
            (reply,) = await Asker(engine, connection).ask([[5]], 3)
    assert reply.ids == [6, 7, 8]


async def test_all_servers_have_ended_when_the_fleet_has(tmp_path):
    async with Fleet(tmp_path) as fleet, fleet.awake(CountingEngine(), NEED) as server:
        pid = server.process.pid
    assert not psutil.pid_exists(pid)


async def test_a_batch_of_prompts_comes_back_row_by_row(fleet):
    engine = CountingEngine()
    async with fleet.awake(engine, NEED) as server, engine.connect(server.port) as connection:
        replies = await Asker(engine, connection).ask([[10], [20]], 2)
    assert [reply.ids for reply in replies] == [[11, 12], [21, 22]]


async def test_a_stream_whose_caller_leaves_is_cancelled(fleet):
    engine, reply = CountingEngine(), Reply(0.0)
    async with fleet.awake(engine, NEED) as server, engine.connect(server.port) as connection:
        task = asyncio.create_task(Asker(engine, connection).follow([0], 1, reply))
        await until(lambda: len(reply.times) > 3)
        assert "cancelled" not in server.log.read_text()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: "cancelled" in server.log.read_text())


async def test_a_server_that_does_not_start_says_its_last_words(fleet):
    with pytest.raises(CannotServe, match=r"did not become ready: .*No module named tests\.nowhere"):
        async with fleet.awake(CountingEngine(module="tests.nowhere"), NEED):
            pass


def a_session(fleet: Fleet, first_token: int) -> tuple[Session, Results]:
    text = HeldText("", [first_token] * 5000)
    results = Results({}, (DECODE,))
    return Session(fleet, text, results, lambda line: None), results


async def test_a_round_gives_every_engine_its_figures(fleet):
    session, results = a_session(fleet, 7)
    engines = [CountingEngine("one"), CountingEngine("two")]
    for engine in engines:
        session.set_up(engine, is_ours=engine.name == "two")
    for number in range(2):
        await session.round(number)
    assert results.left_out == {}
    for record in results.engines:
        assert sorted(record.rounds["decode_1"]) == [0, 1]
        figures = record.rounds["decode_1"][1]
        # 128 tokens, a millisecond or more apart
        assert 0 < figures["tokens_per_second"] < 1000
        assert 0 < figures["client_cores"] <= 1.5
        assert record.peak_memory_bytes > 0


async def test_an_engine_that_dies_at_work_is_left_out_and_the_others_go_on(fleet):
    session, results = a_session(fleet, 666)
    engines = [CountingEngine("one"), CountingEngine("two")]
    for engine in engines:
        session.set_up(engine, is_ours=False)
    await session.round(0)
    await session.round(1)
    assert sorted(results.left_out) == ["one, decode_1", "two, decode_1"]
    assert results.num_rounds == 2
    assert [fleet.of(engine) for engine in engines] == [[], []]  # what failed starts anew for other work


async def test_wrong_tokens_are_found_before_anything_is_timed(fleet):
    session, results = a_session(fleet, 7)

    class Wrong(CountingEngine):
        def command(self, need, port):
            return (*super().command(need, port), "wrong")

    session.set_up(CountingEngine("right"), is_ours=False)
    session.set_up(Wrong("wrong"), is_ours=True)
    prompts = [[random.Random(n).randrange(9_000)] for n in range(3)]
    await session.check(CountingEngine("reference"), prompts)
    await session.round(0)
    assert list(results.left_out) == ["wrong"]
    assert "0% of its greedy tokens" in results.left_out["wrong"]
    assert [record.name for record in results.engines if record.rounds] == ["right"]
