"""Engines as real processes: awake one at a time, their tokens over HTTP, and what happens when one fails."""

import asyncio
import random
from dataclasses import replace

import psutil
import pytest

from benchmarks.peers.completions import COMPLETIONS
from benchmarks.peers.engine import Need, Question
from benchmarks.side_by_side.asker import Asker, WrongOutput
from benchmarks.side_by_side.fleet import Fleet
from benchmarks.side_by_side.held_text import HeldText
from benchmarks.side_by_side.results import Results
from benchmarks.side_by_side.session import Session
from benchmarks.side_by_side.workloads import WORKLOADS
from tandem.measure.generator.generator import generator
from tests.integration.benchmarks.side_by_side.counting_engine import counting_engine

NEED = Need(1, 256)
DECODE = next(workload for workload in WORKLOADS if workload.name == "decode_1")


@pytest.fixture
async def fleet():
    with Fleet() as fleet:
        yield fleet


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_server_sleeps_when_it_is_not_its_turn_and_is_kept(fleet):
    engine = counting_engine()
    with fleet.awake(engine, NEED) as server:
        process = psutil.Process(server.root.pid)
        assert process.status() != psutil.STATUS_STOPPED
        assert server.peak_mebibytes() > 10
    await until(lambda: process.status() == psutil.STATUS_STOPPED)
    with fleet.awake(engine, NEED) as again:
        assert again is server
        async with generator(f"127.0.0.1:{server.port}") as source:
            assert await Asker(engine, source).outputs([[5]], [3]) == [[6, 7, 8]]


async def test_all_servers_have_ended_when_the_fleet_has():
    with Fleet() as fleet, fleet.awake(counting_engine(), NEED) as server:
        pid = server.root.pid
    assert not psutil.pid_exists(pid)


@pytest.fixture
async def source(fleet):
    with fleet.awake(counting_engine(), NEED) as server:
        async with generator(f"127.0.0.1:{server.port}") as source:
            yield source


async def test_outputs_are_those_of_the_prompts_in_their_order(source):
    asker = Asker(counting_engine(is_static_batch=False), source)
    assert await asker.outputs([[10], [20], [30]], [2, 1, 3]) == [[11, 12], [21], [31, 32, 33]]


async def test_prompts_go_out_so_many_at_a_time_and_each_message_of_a_reply_is_timed(source):
    asked = await Asker(counting_engine(is_static_batch=False), source).ask([[1], [2], [3]], [2, 3, 4], at_a_time=2)
    assert [len(asked.arrivals(request)) for request in range(3)] == [2, 3, 4]
    assert len(asked.gaps()) == 1 + 2 + 3
    assert min(asked.ended[:2]) <= asked.sent[2]
    assert (asked.first_token >= asked.sent).all()
    assert asked.seconds == max(asked.ended) - min(asked.sent)


async def test_an_engine_of_static_batches_gets_all_prompts_in_one_request_and_its_steps_are_messages(source):
    asked = await Asker(counting_engine(), source).ask([[10], [20], [30], [40]], 3, at_a_time=2)
    assert [len(asked.arrivals(request)) for request in range(len(asked.sent))] == [3, 3]


async def test_an_output_of_another_length_is_refused(source):
    asker = Asker(counting_engine(dialect=replace(COMPLETIONS, request=one_token_less)), source)
    with pytest.raises(WrongOutput, match="7 tokens where 8 were asked for"):
        await asker.ask([[1]], 8)


def one_token_less(question: Question) -> bytes:
    return COMPLETIONS.request(replace(question, num_tokens=question.num_tokens - 1))


async def test_a_server_that_does_not_start_says_its_last_words(fleet):
    awake = fleet.awake(counting_engine(module="tests.nowhere"), NEED)
    with pytest.raises(RuntimeError, match=r"did not become ready:\n.*No module named tests\.nowhere"), awake:
        pass


def a_session(fleet: Fleet, first_token: int) -> tuple[Session, Results]:
    text = HeldText("", [first_token] * 5000)
    results = Results({}, (DECODE,))
    return Session(fleet, text, results, lambda line: None), results


async def test_a_round_gives_every_engine_its_figures(fleet):
    session, results = a_session(fleet, 7)
    engines = [counting_engine("one"), counting_engine("two")]
    for engine in engines:
        session.set_up(engine, is_ours=engine.name == "two")
    for number in range(2):
        await session.round(number)
    assert results.left_out == {}
    assert results.audited_runs.summary().num_runs == 2 * 2 * 3  # rounds, engines, repeats of the workload
    for record in results.engines:
        assert sorted(record.rounds["decode_1"]) == [0, 1]
        figures = record.rounds["decode_1"][1]
        # 128 tokens, a millisecond or more apart
        assert 0 < figures["tokens_per_second"] < 1000
        assert 0 < figures["client_cores"] <= 1.5
        assert record.peak_mebibytes > 0


async def test_an_engine_that_dies_at_work_is_left_out_and_the_others_go_on(fleet):
    session, results = a_session(fleet, 666)
    engines = [counting_engine("one"), counting_engine("two")]
    for engine in engines:
        session.set_up(engine, is_ours=False)
    await session.round(0)
    await session.round(1)
    assert sorted(results.left_out) == ["one, decode_1", "two, decode_1"]
    assert results.num_rounds == 2
    assert [fleet.of(engine.name) for engine in engines] == [[], []]  # what failed starts anew for other work


async def test_wrong_tokens_are_found_before_anything_is_timed(fleet):
    session, results = a_session(fleet, 7)

    session.set_up(counting_engine("right"), is_ours=False)
    session.set_up(counting_engine("wrong", words=("wrong",)), is_ours=True)
    prompts = [[random.Random(n).randrange(9_000)] for n in range(3)]
    await session.check(counting_engine("reference"), prompts)
    await session.round(0)
    assert list(results.left_out) == ["wrong"]
    assert "0% of its greedy tokens are the reference's, must be at least 60%" in results.left_out["wrong"]
    assert [record.name for record in results.engines if record.rounds] == ["right"]
