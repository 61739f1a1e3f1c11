"""A few steps of the training itself, interrupted and resumed, and the export of what they leave."""

from pathlib import Path

import pytest
import torch

from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.models import ModelRepository
from tests.integration.services.ar.conftest import serving
from training import loop
from training.image_kind import FASHION
from training.set_autoregressive import train
from training.set_autoregressive.export import export
from training.set_autoregressive.tokens import FIRST_CLASS_TOKEN
from training.tokenizer.networks import NUM_CODES

MODELS = Path(__file__).parents[4] / "models"
RECIPE = train.Recipe((train.Phase(2, 1.0, 0.5), train.Phase(2, 1.0, 0.75, 1.5)), batch_size=4)


@pytest.fixture
def sequences() -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (12, 1), generator=source) + FIRST_CLASS_TOKEN
    return torch.cat([labels, torch.randint(NUM_CODES, (12, FASHION.num_tokens), generator=source)], dim=1)


def load_trained(sequences: torch.Tensor, folder: Path, until: int) -> train.Trainer:
    """Train up to a step as `main` does, uncompiled, and leave a snapshot."""
    trainer = train.Trainer(RECIPE, FASHION, sequences, compiles=False)

    def batches(first_step: int):
        for step, batch in enumerate(train.batches(RECIPE, sequences[:8], sequences[8:], first_step), first_step):
            if step == until:
                return
            yield batch

    loop.run(trainer, batches, folder, snapshot_every=100)
    return trainer


def test_a_training_that_was_interrupted_ends_where_one_in_one_go_ends(sequences, tmp_path):
    whole = load_trained(sequences, tmp_path / "whole", 4)
    load_trained(sequences, tmp_path / "parts", 2)
    resumed = load_trained(sequences, tmp_path / "parts", 4)
    assert resumed.step_index == whole.step_index == 4
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def bare_toml() -> str:
    """Return the model.toml of a model of which nothing has been measured yet."""
    toml = (MODELS / "fashion-sar/model.toml").read_text().partition("\n[files]")[0]
    measured = ("diversity", "step_costs", "dtype")
    return "".join(line for line in toml.splitlines(True) if not line.startswith(measured))


async def test_what_is_served_scores_sequences_as_the_training_does_for_each_number_of_steps(sequences, tmp_path):
    model = load_trained(sequences, tmp_path / "run", 4).model
    folder = tmp_path / "models" / "new"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(bare_toml())
    export(tmp_path / "run", ModelRepository(MODELS).get("fashion-ar"), folder)
    settings = ArSettings(models_dir=tmp_path / "models", models=["new"], device="cpu")
    lists = [ar_pb2.TokenPrompt(ids=row) for row in sequences.tolist()]
    async with serving(settings) as backend:
        for steps in (1, 5, 49):
            request = ar_pb2.ScoreRequest(model="new", tokens=ar_pb2.TokenContent(token_lists=lists), steps=steps)
            likelihoods = (await backend.stub.Score(request)).likelihoods
            served = sum(likelihood.bits_per_token for likelihood in likelihoods) / len(likelihoods)
            assert served == pytest.approx(train.bits_per_token(model, sequences, steps), abs=1e-3)
