"""Export of untrained networks: what is served scores images as the training code does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from services.ar.compute.torch.transformer import Transformer
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tests.integration.services.ar.conftest import serving
from training.dataset import to_model_range
from training.image_kind import FASHION
from training.tokenizer.networks import FIRST_CLASS_TOKEN, quantise, to_tokens
from training.tokenizer.train import Autoencoder
from training.transformer.export import export
from training.transformer.train import config_of, token_bits

COMMITTED = (Path(__file__).parents[4] / "models/fashion-ar/model.toml").read_text()
MEASURED = ("diversity", "dtype")  # later
LINES = COMMITTED.partition("\n[files]")[0].splitlines(keepends=True)
MODEL_TOML = "".join(line for line in LINES if not line.startswith(MEASURED))


@pytest.fixture
def networks(tmp_path):
    """A tokenizer and a transformer with random weights, as the trainings leave them."""
    torch.manual_seed(0)
    tokenizer, model = Autoencoder(FASHION).eval(), Transformer(config_of(FASHION))
    torch.nn.init.normal_(model.embedding.weight, std=0.2)
    model.prepare(1 + FASHION.num_tokens)
    for folder, name, module in (("tokens", "ema-000001", tokenizer), ("ar", "model-000001", model)):
        (tmp_path / folder).mkdir()
        state = {key: value.contiguous() for key, value in module.state_dict().items() if key != "head.weight"}
        save_file(state, tmp_path / folder / f"{name}.safetensors")
    (tmp_path / "ar/log.jsonl").write_text('{"step": 1, "validation_bits_per_token": 9.0}\n')
    return tokenizer, model


async def test_what_is_served_scores_images_as_the_training_does(networks, tmp_path):
    tokenizer, model = networks
    folder = tmp_path / "models" / "new"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(MODEL_TOML)
    export(tmp_path / "ar", tmp_path / "tokens", folder)

    pixels = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)
    labels = torch.tensor([0, 1, 2, 7, 8, 9])
    image = to_model_range(torch.from_numpy(pixels)).permute(0, 3, 1, 2)
    with torch.no_grad():
        tokens = to_tokens(quantise(tokenizer.encoder(image)))
        sequences = torch.cat([labels.unsqueeze(1) + FIRST_CLASS_TOKEN, tokens], dim=1)
        expected = [token_bits(model, sequence.unsqueeze(0)).mean().item() for sequence in sequences]

    batch = images_pb2.ImageBatch(shape=pixels.shape, data=pixels.tobytes())
    settings = ArSettings(models_dir=tmp_path / "models", models=["new"], device="cpu")
    async with serving(settings) as backend:
        content = ar_pb2.ImageContent(images=batch, labels=labels.tolist())
        response = await backend.stub.Score(ar_pb2.ScoreRequest(images=content))
    assert [likelihood.bits_per_token for likelihood in response.likelihoods] == pytest.approx(expected, abs=1e-3)
    assert [t.token_id for t in response.likelihoods[0].tokens] == tokens[0].tolist()
