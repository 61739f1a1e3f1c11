"""Engines as real processes: measured one at a time, their tokens over HTTP, and what happens when one fails."""

from __future__ import annotations

import random
from dataclasses import replace

from benchmarks.harness.figures import Figures
from benchmarks.peers.engines import COMPLETIONS, Engine, Need
from benchmarks.side_by_side.output_check import NUM_TOKENS
from benchmarks.side_by_side.session import Session, Workload
from tests.integration.benchmarks.side_by_side.counting_engine import counting_engine

DECODE, PREFILL = Workload(8, 2, 8, 16, Need(2, 64)), Workload(1, 1, 64, 1, Need(1, 128))


def a_session(*engines: Engine, first_token: int = 7) -> Session:
    session = Session([first_token] * 500, Figures(most_attempts=1))
    for engine in engines:
        session.set_up(engine)
    return session


def test_a_round_gives_every_engine_its_figures_and_ours_its_ratio() -> None:
    session = a_session(counting_engine("one"), counting_engine("two", is_ours=True))
    session.run(1, {"decode_2": DECODE, "prefill": PREFILL})
    document = session.figures.document("trial", 1, about={"engines": session.facts})
    assert (document["failures"], document["left_out"]) == ([], {})
    assert document["audits"].num_runs == 2 * 2  # engines, workloads
    assert all(facts["peak_memory_mib"] > 0 for facts in document["engines"].values())
    figures = document["figures"]
    for name in ("tokens_per_second", "gap_seconds_p99", "first_token_seconds_p50"):
        assert figures[f"decode_2.{name}"].keys() == {"one", "two"}
    assert figures["decode_2.first_token_seconds_p50"]["one"].value > 0
    assert figures["prefill.to_best"].keys() == {"two"}


def test_who_dies_or_answers_with_another_length_is_left_out_and_the_others_go_on() -> None:
    short = replace(COMPLETIONS, request=lambda prompt, count: COMPLETIONS.request(prompt, max(1, count - 1)))
    session = a_session(counting_engine("short", dialect=short), counting_engine("one"))
    session.run(1, {"decode_2": DECODE})
    assert session.figures.failures == ["round 1 of 1, short, decode_2: [15] tokens where 16 were asked for"]
    assert session.figures.spreads()["decode_2.tokens_per_second"].keys() == {"one"}
    unlucky = a_session(counting_engine("one"), first_token=666)
    unlucky.run(1, {"decode_2": DECODE})
    assert len(unlucky.figures.failures) == 1


def test_wrong_tokens_are_found_before_anything_is_timed() -> None:
    session = a_session(counting_engine("right"), counting_engine("wrong", "wrong"))
    prompts = [[random.Random(n).randrange(9_000)] for n in range(3)]
    session.check(prompts, [[prompt[-1] + step for step in range(1, NUM_TOKENS + 1)] for prompt in prompts])
    session.run(1, {"prefill": PREFILL})
    (failure,) = session.figures.failures
    assert failure == "wrong, outputs: 0% of its greedy tokens are the reference's, must be at least 60%"
    assert session.facts["right"]["agreement_with_float32"] == 1.0
    assert session.figures.spreads()["prefill.tokens_per_second"].keys() == {"right"}
