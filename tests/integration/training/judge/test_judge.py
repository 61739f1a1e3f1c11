"""The judge on the real data set: a slice of training, the export, and the committed one's accuracy."""

from pathlib import Path

import numpy as np
import pytest

from tandem.measure.quality.fashion_mnist import DEFAULT_FOLDER
from tandem.measure.quality.judge import open_judge
from tandem.measure.quality.reference import fashion_mnist

MODELS = Path(__file__).parents[4] / "models"

pytestmark = pytest.mark.skipif(not DEFAULT_FOLDER.exists(), reason="needs the package dataset-fashion-mnist")


def test_the_committed_judge_is_as_good_as_its_gate():
    judge, _, _ = open_judge(MODELS / "fashion-judge")
    test = fashion_mnist().test
    guesses, _ = judge.classify(test.images)
    assert np.mean(guesses == test.labels) >= 0.92
