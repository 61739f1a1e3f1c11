"""Export of an untrained decoder: into models of the tokenizer's tokens, and into no others."""

import json
import shutil
import tomllib
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tandem.shared.file_hashes import sha256_of
from training.image_kind import FASHION
from training.model_files import noise_images, write_onnx
from training.refinement.export import FILE, export
from training.refinement.networks import RefinedDecoder
from training.tokenizer.train import Autoencoder
from training.transformer.export import TokenEncoder

COMMITTED = Path(__file__).parents[4] / "models/fashion-ar/token_encoder.onnx"
ENCODER = COMMITTED.name
OTHERS = {"model.safetensors": "as it was", ENCODER: "as it was"}
DIGESTS = "\n".join(f'"{name}" = "{digest}"' for name, digest in {**OTHERS, FILE: "an older digest"}.items())


def save(module, path):
    path.parent.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The runs of a tokenizer with random weights, "tokens", and of its refinement, "refined"; its encoder's file."""
    folder = tmp_path_factory.mktemp("runs")
    torch.manual_seed(0)
    tokenizer = Autoencoder(FASHION).eval()
    save(tokenizer, folder / "tokens/ema-000001.safetensors")
    save(RefinedDecoder(tokenizer.decoder), folder / "refined/decoder-000001.safetensors")
    line = {"step": 1, "restored_fid": 1.0, "drawn_fid": 1.0}
    (folder / "refined/log.jsonl").write_text(json.dumps(line) + "\n")
    images = partial(noise_images, FASHION)
    write_onnx(TokenEncoder(tokenizer), images, folder / ENCODER, inputs=("image",), outputs=("tokens",))
    return folder


@pytest.fixture
def models(tmp_path, runs):
    """Two models of the tokenizer's tokens, and one of other tokens."""
    encoders = {"first": runs / ENCODER, "second": runs / ENCODER, "other": COMMITTED}
    for name, encoder in encoders.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.toml").write_text(f"[files]\n{DIGESTS}\n")
        (tmp_path / name / FILE).write_text("as it was")
        shutil.copy(encoder, tmp_path / name / ENCODER)
    return [tmp_path / name for name in encoders]


def contents(folders):
    return [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]


def test_models_of_these_tokens_get_the_decoder_and_its_digest_alone(runs, models):
    first, second, _ = models
    export(runs / "tokens", runs / "refined", [first, second])
    found = tomllib.loads((first / "model.toml").read_text())["files"]
    assert found == {**OTHERS, FILE: sha256_of(first / FILE)}
    assert contents([first]) == contents([second])


def test_a_model_of_other_tokens_is_refused_before_anything_is_written(runs, models):
    before = contents(models)
    with pytest.raises(SystemExit, match=r"the tokens of .*other are not those of the tokenizer"):
        export(runs / "tokens", runs / "refined", models)
    assert contents(models) == before
