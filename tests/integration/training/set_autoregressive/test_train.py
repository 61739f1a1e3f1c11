"""A few steps of the training itself, and the export of what they leave."""

from pathlib import Path

import pytest

from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.models import ModelRepository
from tests.integration.services.ar.conftest import serving
from tests.integration.training.test_resumed import TRAININGS, sequences
from training import loop
from training.set_autoregressive import train
from training.set_autoregressive.export import export

MODELS = Path(__file__).parents[4] / "models"


def bare_toml() -> str:
    """Return the model.toml of a model of which nothing has been measured yet."""
    toml = (MODELS / "fashion-sar/model.toml").read_text().partition("\n[files]")[0]
    measured = ("diversity", "step_costs", "dtype")
    return "".join(line for line in toml.splitlines(True) if not line.startswith(measured))


async def test_what_is_served_scores_sequences_as_the_training_does_for_each_number_of_steps(tmp_path):
    trainer, rows = TRAININGS["sets"](), sequences(12)
    loop.run(trainer, tmp_path / "run", snapshot_every=100)
    folder = tmp_path / "models" / "new"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(bare_toml())
    export(tmp_path / "run", ModelRepository(MODELS).get("fashion-ar"), folder)
    settings = ArSettings(models_dir=tmp_path / "models", models=["new"], device="cpu")
    lists = [ar_pb2.TokenPrompt(ids=row) for row in rows.tolist()]
    async with serving(settings) as backend:
        for steps in (1, 5, 49):
            request = ar_pb2.ScoreRequest(model="new", tokens=ar_pb2.TokenContent(token_lists=lists), steps=steps)
            likelihoods = (await backend.stub.Score(request)).likelihoods
            served = sum(likelihood.bits_per_token for likelihood in likelihoods) / len(likelihoods)
            assert served == pytest.approx(train.bits_per_token(trainer.model, rows, steps), abs=1e-3)
