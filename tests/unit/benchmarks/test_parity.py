"""Nearness of logits, against sums worked out by hand."""

import math

import pytest
import torch

from benchmarks.parity import compare


def logits(*rows: tuple[float, ...]) -> torch.Tensor:
    """Return logits of these probabilities, moved by what softmax takes away again."""
    return torch.tensor(rows).log() + 3.0


REFERENCE = [logits((0.5, 0.25, 0.25), (0.1, 0.8, 0.1)), logits((0.2, 0.2, 0.6))]


def test_an_engine_is_as_near_as_can_be_to_itself():
    found = compare(REFERENCE, REFERENCE)
    assert [found[name] for name in ("num_answers", "first_tokens_equal", "answers_equal")] == [2, 2, 2]
    assert (found["tokens"], found["tokens_equal"]) == (3, 3)
    assert found["divergence"] == pytest.approx(0.0, abs=1e-7)


def test_tokens_answers_and_divergence_are_counted_apart():
    other = [logits((0.25, 0.5, 0.25), (0.1, 0.8, 0.1)), REFERENCE[1]]
    found = compare(other, REFERENCE)
    assert [found[name] for name in ("first_tokens_equal", "answers_equal", "tokens_equal")] == [1, 1, 2]
    expected = 0.5 * math.log(0.5 / 0.25) + 0.25 * math.log(0.25 / 0.5)
    assert found["divergence"] == pytest.approx(expected / 3, rel=1e-5)


def test_divergence_is_from_the_reference_and_not_to_it():
    sure, unsure = [logits((0.98, 0.01, 0.01))], [logits((0.5, 0.25, 0.25))]
    assert compare(unsure, sure)["divergence"] == pytest.approx(0.98 * math.log(1.96) + 0.02 * math.log(0.04), rel=1e-5)
