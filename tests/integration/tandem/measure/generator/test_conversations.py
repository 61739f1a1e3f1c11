"""Conversations and traces, before a server whose times are known: what follows what, and when."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tandem.measure.generator.generator import generator
from tandem.measure.results.record import Outcome
from tandem.measure.scenario import Api, OpenLoop, Scenario, Workload
from tandem.measure.trace import TraceRow
from tandem.measure.truth.server import TruthServer
from tests.integration.single_runs import run_once

Start = Callable[..., TruthServer]
TURNS = 4


def talking(api: Api, **values: object) -> Workload:
    given = {"kind": "text", "delivery": "streamed", "api": api, "turns": TURNS, "think_seconds": (0.01, 0.05)}
    return Workload.model_validate({**given, "output_tokens": 3, "prompt_tokens": 8, "slo_seconds": 30, **values})


def scenario(workload: Workload, **values: object) -> Scenario:
    given = {"load": OpenLoop(rate_per_second=50), "num_requests": 60, "warm_up_seconds": 0.0, **values}
    return Scenario.model_validate({"workloads": (workload,), **given})


@pytest.mark.parametrize("api", ["tandem", "openai-chat"])
async def test_a_turn_follows_the_one_before_after_a_pause(known_times: Start, api: Api) -> None:
    server = known_times(first="bimodal:0.001:0.05:0.2", gap="0.001")
    run_result = await run_once(server.address, scenario(talking(api)))
    assert run_result.document.problems == ()
    rows = run_result.record.requests
    assert rows["number"].tolist() == list(range(60 * TURNS))
    assert set(rows["outcome"].tolist()) == {Outcome.OK}
    by_turn = rows.reshape(60, TURNS)
    pauses = by_turn["intended"][:, 1:] - by_turn["ended"][:, :-1]
    assert 0.01 <= pauses.min() < pauses.max() <= 0.05 + 1e-6
    assert np.all(np.diff(by_turn["intended"][:, 0]) > 0)
    assert np.all(rows["sent"] >= rows["intended"])
    (stream,) = run_result.document.streams
    found = stream.conversations
    assert found is not None
    assert (found.count, found.share, len(found.turns)) == (60, 1.0, TURNS)
    assert [turn.latency.count for turn in found.turns] == [60] * TURNS
    if api == "openai-chat":  # each prompt holds the turns before: 8 words of each, and 3 of each answer
        assert [turn.num_prompt_tokens for turn in found.turns] == [60 * (8 + 11 * turn) for turn in range(TURNS)]


async def test_conversations_within_the_objective_are_so_at_each_turn(known_times: Start) -> None:
    """A fifth of the answers is late: so .8^4 of the conversations are not."""
    server = known_times(first="bimodal:0.001:1:0.2", gap="0")
    run_result = await run_once(server.address, scenario(talking("tandem", slo_seconds=0.5), num_requests=250))
    (stream,) = run_result.document.streams
    assert stream.conversations is not None
    rows = run_result.record.requests.reshape(250, TURNS)
    assert stream.conversations.share == np.mean(np.all(rows["ended"] - rows["intended"] <= 0.5, axis=1))
    assert stream.conversations.share == pytest.approx(0.8**TURNS, abs=0.12)


async def test_what_is_broken_off_is_counted_whole(known_times: Start) -> None:
    server = known_times(first="0.2", gap="0")
    async with generator(server.address) as source:
        long = scenario(talking("tandem", think_seconds=(60.0, 60.0)), num_requests=20)
        source.stop.set()
        run_result = await source.run(long)
    (stream,) = run_result.document.streams
    outcomes = stream.outcomes.model_dump()
    assert outcomes.pop("planned") == sum(outcomes.values()) == 20 * TURNS
    assert outcomes["dropped"] == 0


@pytest.mark.parametrize("api", ["tandem", "openai"])
async def test_a_trace_is_sent_when_it_says(known_times: Start, api: Api) -> None:
    server = known_times(first="0.001", gap="0.001")
    trace = [
        TraceRow(timestamp=40.0 * place, input_length=600, output_length=1 + place % 3, hash_ids=(7, place))
        for place in range(30)
    ]
    load = OpenLoop(rate_per_second=25, arrivals="trace")
    async with generator(server.address) as source:
        workload = talking(api, turns=1)
        run_result = await source.run(scenario(workload, load=load, num_requests=30), trace=trace)
    rows = run_result.record.requests
    assert rows["intended"].tolist() == pytest.approx([row.timestamp / 1e3 for row in trace])
    assert rows["num_outputs"].tolist() == [row.output_length for row in trace]
    if api == "openai":
        assert rows["num_prompt_tokens"].tolist() == [600] * 30
