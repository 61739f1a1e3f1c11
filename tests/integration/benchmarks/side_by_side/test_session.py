"""Engines as real processes: awake one at a time, their tokens over HTTP, and what happens when one fails."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from benchmarks.harness.figures import Figures
from benchmarks.harness.results import Stopwatch
from benchmarks.peers.engine import COMPLETIONS, Need
from benchmarks.side_by_side.__main__ import document
from benchmarks.side_by_side.fleet import Fleet
from benchmarks.side_by_side.output_check import NUM_TOKENS
from benchmarks.side_by_side.session import Session
from benchmarks.side_by_side.workloads import Workload
from tests.integration.benchmarks.side_by_side.counting_engine import counting_engine

WORKLOADS = {"decode_2": Workload(4, 2, 8, 16, Need(2, 64)), "prefill": Workload(1, 1, 64, 1, Need(1, 128))}


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet() as fleet:
        yield fleet


def a_session(fleet: Fleet, first_token: int = 7) -> Session:
    return Session(fleet, [first_token] * 500, Figures(most_attempts=1))


def test_a_server_sleeps_when_it_is_not_its_turn_is_kept_and_ends_with_the_fleet() -> None:
    with Fleet() as fleet:
        with fleet.awake(counting_engine(), Need(1, 256)) as server:
            assert server.root.status() != psutil.STATUS_STOPPED
        deadline = time.monotonic() + 60
        while server.root.status() != psutil.STATUS_STOPPED and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.root.status() == psutil.STATUS_STOPPED
        with fleet.awake(counting_engine(), Need(8, 256)) as again:
            assert again is server
    assert not psutil.pid_exists(server.root.pid)


def test_a_round_gives_every_engine_its_figures_and_ours_its_ratio(fleet: Fleet) -> None:
    session = a_session(fleet)
    for name in ("one", "two"):
        session.set_up(counting_engine(name), is_ours=name == "two")
    for number in range(2):
        session.run_round(number, WORKLOADS)
    assert session.left_out == {}
    found = document(Stopwatch(), 2, session, {"model": "counting"})
    assert found["audits"].num_runs == 2 * 2 * 2  # rounds, engines, workloads
    for engine in found["engines"].values():
        assert engine["workloads"].keys() == WORKLOADS.keys()
        figures = engine["workloads"]["decode_2"]
        assert all(figures[name].count == 2 for name in ("tokens_per_second", "gap_seconds_p99"))
        assert figures["first_token_seconds_p50"].value > 0
        assert engine["peak_memory_mib"] > 0
    assert found["ratios"]["two"]["prefill"]["to_best"].count == 2
    assert list(found["ratios"]) == ["two"]


def test_who_dies_or_answers_with_another_length_is_left_out_and_the_others_go_on(fleet: Fleet) -> None:
    short = replace(COMPLETIONS, request=lambda prompt, count: COMPLETIONS.request(prompt, max(1, count - 1)))
    session = a_session(fleet)
    session.set_up(counting_engine("short", dialect=short), is_ours=False)
    session.set_up(counting_engine("one"), is_ours=False)
    decoding = {"decode_2": WORKLOADS["decode_2"]}
    session.run_round(0, decoding)
    assert list(session.left_out) == ["short, decode_2"]
    assert "[15] tokens where 16 were asked for" in session.left_out["short, decode_2"]
    assert session.figures.spreads()["decode_2.tokens_per_second"].keys() == {"one"}
    unlucky = a_session(fleet, 666)
    unlucky.set_up(counting_engine("one"), is_ours=False)
    unlucky.run_round(0, decoding)
    assert list(unlucky.left_out) == ["one, decode_2"]


def test_wrong_tokens_are_found_before_anything_is_timed(fleet: Fleet) -> None:
    session = a_session(fleet)
    session.set_up(counting_engine("right"), is_ours=False)
    session.set_up(counting_engine("wrong", "wrong"), is_ours=True)
    prompts = [[random.Random(n).randrange(9_000)] for n in range(3)]
    session.check(prompts, [[prompt[-1] + step for step in range(1, NUM_TOKENS + 1)] for prompt in prompts])
    session.run_round(0, {"prefill": WORKLOADS["prefill"]})
    assert list(session.left_out) == ["wrong"]
    assert "0% of its greedy tokens are the reference's, must be at least 60%" in session.left_out["wrong"]
    assert session.facts["right"]["agreement_with_float32"] == 1.0
    assert session.figures.spreads()["prefill.tokens_per_second"].keys() == {"right"}
