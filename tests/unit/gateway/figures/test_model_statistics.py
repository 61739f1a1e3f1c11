"""Cumulative figures of a model: each request is counted once, and the shares of passes add up to whole passes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gateway.figures.model_statistics import MAX_SIZES, ModelStatistics
from gateway.figures.observation import Observation
from tests.unit.gateway.figures.entries import observation

IMAGE = observation(num_outputs=1, first_output_seconds=0.009, mean_batch_size=1.0)
TEXT = observation("Generate", num_outputs=20, first_output_seconds=0.009, mean_batch_size=1.0)


def recorded(*seen: Observation, **of_all: Any) -> Any:
    statistics = ModelStatistics(lambda: 1_000.5)
    for each in seen:
        statistics.record(dataclasses.replace(each, **of_all))
    return statistics.of("m")


def test_a_pass_that_eight_share_is_one_pass_of_its_time() -> None:
    phases = {"queue": 0.001, "batch_wait": 0.002, "compute": 0.004, "encode": 0.0005, "gateway": 0.001}
    found = recorded(*[IMAGE] * 8, mean_batch_size=8.0, phases=phases)
    assert (found.num_inferences, found.success.count) == (8, 8)
    assert found.passes == pytest.approx(1)
    [(size, duration)] = found.passes_by_size.items()
    assert (size, duration.count, duration.seconds) == (8, pytest.approx(1), pytest.approx(0.004))
    assert (found.queue.count, found.queue.seconds) == (8, pytest.approx(8 * 0.003))
    assert (found.compute.count, found.compute.seconds) == (8, pytest.approx(8 * 0.004))
    assert found.encode.seconds == pytest.approx(8 * 0.0005)
    assert found.last_at == 1_000.5


def test_sequences_share_their_steps() -> None:
    found = recorded(TEXT, TEXT, mean_batch_size=2.0, phases={"prefill": 0.01, "decode": 0.03})
    assert (found.num_inferences, found.passes) == (2, 20)
    assert found.passes_by_size[2].seconds == pytest.approx(0.04)
    assert found.first_response.count == 2
    assert recorded(TEXT, num_images=3).num_inferences == 3


def test_sizes_are_bounded() -> None:
    found = recorded(*(dataclasses.replace(IMAGE, mean_batch_size=float(size)) for size in range(1, MAX_SIZES + 50)))
    assert len(found.passes_by_size) == MAX_SIZES
    assert found.success.count == MAX_SIZES + 49
