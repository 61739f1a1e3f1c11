import random

import numpy as np
import pytest

from benchmarks.side_by_side.asker import WrongOutput
from benchmarks.side_by_side.held_text import HeldText
from benchmarks.side_by_side.workloads import (
    WORKLOADS,
    decode,
    disturbed_streams,
    gaps_within,
    passages_of,
    prefill,
    shared_prefix,
)
from tests.unit.benchmarks.side_by_side.scripted import ScriptedAsker

TEXT = HeldText("", random.Random(1).choices(range(1000), k=10_000))


def test_gaps_count_when_they_end_in_the_span_and_the_last_one_is_cut():
    assert gaps_within(np.array([1.0, 2.0, 4.0, 7.0, 11.0]), begun=3.0, ended=9.0) == [2.0, 3.0, 2.0]


def test_a_stream_that_stands_still_to_the_end_has_one_long_gap():
    assert gaps_within(np.array([1.0]), begun=2.0, ended=9.0) == [8.0]


async def test_decoding_counts_every_token_of_every_repeat():
    asker = ScriptedAsker()
    figures = await decode(2, 3, asker, passages_of(TEXT, "a"))
    assert len({tuple(prompt) for prompt in asker.prompts}) == 6
    assert figures["tokens_per_second"] == 2.0  # two at a time, a second a token
    assert (figures["first_token_seconds_p50"], figures["gap_seconds_p50"]) == (1.0, 1.0)


async def test_prefill_counts_the_prompts_tokens():
    figures = await prefill(3, ScriptedAsker(), passages_of(TEXT, "a"))
    assert figures["tokens_per_second"] == 1024.0


async def test_requests_that_share_a_prefix_share_it_and_nothing_else():
    asker = ScriptedAsker()
    figures = await shared_prefix(asker, passages_of(TEXT, "a"))
    prompts = [tuple(prompt) for prompt in asker.prompts]
    assert len(set(prompts)) == 32
    assert {len(prompt) for prompt in prompts} == {537}
    assert len({prompt[:512] for prompt in prompts}) == 1
    assert figures["seconds"] == 16 / 8 * 16


async def test_long_prompts_arrive_one_after_another_while_the_streams_run():
    asker = ScriptedAsker()
    figures = await disturbed_streams(asker, passages_of(TEXT, "a"))
    assert [len(prompt) for prompt in asker.prompts] == [64] * 8 + [1500] * 4
    assert figures["gap_seconds_p99"] == 1.0
    assert figures["arriving_first_token_seconds_p50"] == 1.0


async def test_streams_that_end_early_are_no_measurement():
    class Slow(ScriptedAsker):
        async def ask(self, prompts, num_tokens, **options):
            return await super().ask(prompts, [*num_tokens[:-1], 2000], **options)

    with pytest.raises(WrongOutput, match="ended before"):
        await disturbed_streams(Slow(), passages_of(TEXT, "a"))


def test_passages_depend_on_the_seed_alone():
    first, again, other = (passages_of(TEXT, seed) for seed in ("decode 1", "decode 1", "decode 2"))
    assert [first(64), first(64)] == [again(64), again(64)]
    assert first(64) != other(64)


def test_every_work_fits_what_it_asks_a_server_to_hold():
    for workload in WORKLOADS:
        assert workload.need.num_sequences * workload.need.num_context_tokens <= 8 * 2048
