"""The judge on the real data set: a slice of training, the export, and the committed one's accuracy."""

import json
from pathlib import Path

import numpy as np
import pytest

from tandem.measure.quality.fashion_mnist import DEFAULT_FOLDER
from tandem.measure.quality.judge import Judge, judge_model, weights_of
from tandem.measure.quality.reference import fashion_mnist
from training import loop
from training.dataset import image_batches, load
from training.judge import export, train

MODELS = Path(__file__).parents[4] / "models"
TEN_CLASSES_AT_RANDOM = 0.1

pytestmark = pytest.mark.skipif(not DEFAULT_FOLDER.exists(), reason="needs the package dataset-fashion-mnist")


def test_the_committed_judge_is_as_good_as_its_gate():
    path, _ = weights_of(judge_model(MODELS / "fashion-judge"))
    test = fashion_mnist().test
    guesses, _ = Judge(path).classify(test.images)
    assert np.mean(guesses == test.labels) >= 0.92


def test_a_few_steps_teach_something_and_their_export_is_a_judge(tmp_path):
    run, model = tmp_path / "run", tmp_path / "judge"
    recipe = train.Recipe(steps=20, batch_size=32)
    data = load()
    trainer = train.Trainer(recipe, data)
    loop.run(trainer, lambda first: image_batches(data.train, 32, 0, first), run, seconds=60, snapshot_every=1000)
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert last["validation_accuracy"] > 2 * TEN_CLASSES_AT_RANDOM
    assert (run / "mistakes-000020.png").exists()
    export.main(["--run", str(run), "--model", str(model)])
    path, digest = weights_of(judge_model(model))
    assert digest != weights_of(judge_model(MODELS / "fashion-judge"))[1]
    images, labels = data.validation
    guesses, features = Judge(path).classify(images.squeeze(1).numpy())
    assert np.mean(guesses == labels.numpy()) == pytest.approx(last["validation_accuracy"], abs=1e-3)
    assert features.shape == (len(images), 128)
