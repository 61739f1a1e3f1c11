"""The Halton order: every cell once, neighbours in time far apart on the grid; the committed model has this order."""

from pathlib import Path

import numpy as np
import pytest

from tandem.shared.models import ModelRepository
from training.set_autoregressive.tokens import halton_order

MODELS = Path(__file__).parents[4] / "models"


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (3, 5), (14, 14)])
def test_each_cell_comes_once(size):
    assert sorted(halton_order(*size)) == list(range(size[0] * size[1]))


def test_cells_that_follow_each_other_lie_further_apart_than_row_by_row():
    cells = np.array([divmod(cell, 7) for cell in halton_order(7, 7)])
    assert np.abs(np.diff(cells[:25], axis=0)).max(axis=1).mean() > 3


def test_the_released_model_says_the_order_it_was_trained_in():
    tokens = ModelRepository(MODELS).get("fashion-sar").spec.image_tokens
    assert list(tokens.cells) == halton_order(7, 7)
