import random

import pytest

from benchmarks.side_by_side.held_text import HeldText
from benchmarks.side_by_side.replies import Reply, WrongOutput
from benchmarks.side_by_side.workloads import (
    WORKLOADS,
    decode,
    disturbed_streams,
    gaps_within,
    passages_of,
    shared_prefix,
)
from tests.unit.benchmarks.side_by_side.scripted import ScriptedConnection, asker

TEXT = HeldText("", random.Random(1).choices(range(1000), k=10_000))


def test_gaps_count_when_they_end_in_the_span_and_the_last_one_is_cut():
    stream = Reply(0.0, times=[1.0, 2.0, 4.0, 7.0, 11.0])
    assert gaps_within(stream, begun=3.0, ended=9.0) == [2.0, 3.0, 2.0]


def test_a_stream_that_stands_still_to_the_end_has_one_long_gap():
    assert gaps_within(Reply(0.0, times=[1.0]), begun=2.0, ended=9.0) == [8.0]


async def test_decoding_counts_every_token_of_every_repeat(monkeypatch):
    moments = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(moments)))
    connection = ScriptedConnection()
    figures = await decode(2, 3, asker(connection), passages_of(TEXT, "a"))
    assert len(connection.requests) == 6
    # A repeat: two clock readings, one for each request's start and for each of 2 x 128 messages.
    assert figures["tokens_per_second"] == pytest.approx(2 * 128 / (1 + 2 + 2 * 128))
    assert figures["gap_seconds_p50"] == 1.0


async def test_requests_that_share_a_prefix_share_it_and_nothing_else():
    connection = ScriptedConnection()
    await shared_prefix(asker(connection), passages_of(TEXT, "a"))
    prompts = [tuple(prompt) for (prompt,) in connection.requests]
    assert len(set(prompts)) == 32
    assert {len(prompt) for prompt in prompts} == {537}
    assert len({prompt[:512] for prompt in prompts}) == 1


async def test_streams_that_end_early_are_no_measurement():
    with pytest.raises(WrongOutput, match="ended before"):
        await disturbed_streams(asker(ScriptedConnection()), passages_of(TEXT, "a"))


def test_passages_depend_on_the_seed_alone():
    first, again, other = (passages_of(TEXT, seed) for seed in ("decode 1", "decode 1", "decode 2"))
    assert [first(64), first(64)] == [again(64), again(64)]
    assert first(64) != other(64)


def test_every_work_fits_what_it_asks_a_server_to_hold():
    for workload in WORKLOADS:
        assert workload.need.num_sequences * workload.need.num_context_tokens <= 8 * 2048
