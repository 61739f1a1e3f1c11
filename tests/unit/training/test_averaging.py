"""Moving averages against the sum that defines them."""

import pytest
import torch

from training.averaging import average, decay_at


@torch.no_grad()
def test_the_average_forgets_its_start_and_counts_are_copied():
    module = torch.nn.BatchNorm1d(1)
    moving, expected = average(module, 0.8), 0.0
    for step in range(20):
        module.weight.fill_(step)
        module.num_batches_tracked.fill_(step)
        moving.update_parameters(module)
        decay = decay_at(0.8, step) if step else 0.0
        expected = decay * expected + (1 - decay) * step
    assert moving.module.weight.item() == pytest.approx(expected)
    assert moving.module.num_batches_tracked.item() == 19


def test_memory_is_short_at_first_and_never_longer_than_asked_for():
    assert [decay_at(0.9, step) for step in (0, 8, 1000)] == [0.1, 0.5, 0.9]
