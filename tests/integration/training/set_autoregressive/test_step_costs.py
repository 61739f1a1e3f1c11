"""What groups cost: measured of a random model as its own likelihood has it, and written where the service reads it."""

import itertools
import math

import pytest
import torch

from services.ar.compute.torch.transformer import Transformer
from tandem.shared.models import ModelRepository, sha256_of
from tandem.shared.step_costs import load_step_costs
from tests.integration.training.set_autoregressive.test_train import MODELS, bare_toml
from training.image_kind import FASHION
from training.set_autoregressive.step_costs import measure, write
from training.set_autoregressive.tokens import FIRST_CLASS_TOKEN
from training.set_autoregressive.train import config_of, losses
from training.tokenizer.networks import NUM_CODES
from training.transformer.train import initialise

CONFIG, NUM_TOKENS = config_of(FASHION), FASHION.num_tokens
ENDS = (1, 2, 6, 13, 31, 49)


@torch.inference_mode()
def test_the_costs_of_groups_add_up_to_the_loss_and_model_toml_names_them(tmp_path):
    torch.manual_seed(0)
    model = Transformer(CONFIG)
    model.apply(initialise)
    model.prepare(CONFIG.max_context_tokens)
    labels = torch.randint(10, (3, 1)) + FIRST_CLASS_TOKEN
    sequences = torch.cat([labels, torch.randint(NUM_CODES, (3, NUM_TOKENS))], dim=1)

    costs = measure(model, sequences)
    groups = list(itertools.pairwise((0, *ENDS)))
    starts = torch.tensor([start for start, end in groups for _ in range(start, end)])
    loss = losses(model, sequences, starts.expand(3, -1))[:, NUM_TOKENS:].mean() / math.log(2)
    total = sum(sum(costs.bits[start][: end - start]) for start, end in groups)
    assert total / NUM_TOKENS == pytest.approx(loss.item(), abs=1e-4)

    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "model.toml").write_text(bare_toml())
    for _ in range(2):  # the second time it renews what it wrote
        write(ModelRepository(tmp_path).get("new"), costs)
    spec = ModelRepository(tmp_path).get("new").spec
    path = folder / spec.image_tokens.step_costs
    assert spec.files == {path.name: sha256_of(path)}
    assert len(load_step_costs(path, NUM_TOKENS).group_ends(0, NUM_TOKENS, 12)) == 12
    assert (MODELS / "fashion-sar" / path.name).exists()
