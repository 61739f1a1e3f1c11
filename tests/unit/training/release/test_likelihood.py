"""The table of likelihoods: agreement with the training, and each kind of images against real ones."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra `quality`")

from training.release.likelihood import report


def test_agreement_and_order():
    real = np.array([2.0, 2.5, 3.0])
    found = report(np.array([2.0, 3.0]), np.array([2.0, 3.1]), {"test images": real, "noise": real + 5})
    assert found["training_bits_per_token"] == 2.5
    assert found["served_bits_per_token"] == 2.55
    assert found["largest_difference_of_an_image"] == 0.1
    assert found["images_with_other_tokens"] == 1
    assert found["kinds"]["test images"]["auc"] == 0.5
    assert found["kinds"]["noise"]["auc"] == 1.0
    assert found["kinds"]["noise"]["mean"] == 7.5
    assert found["kinds"]["noise"]["standard_error"] == pytest.approx(0.5 / 3**0.5, abs=1e-4)
