"""What a sequential image model thinks of images, real and made, and whether the service agrees with the training:

    python -m training.release.likelihood --run runs/fashion-ar --tokenizer runs/fashion-tokenizer

Bits a token, by `Score` through the gateway, of 2,000 images of each kind, balanced over the classes. Of the test
images the training code's own figure is computed as well, from the run's weights by its own tokenizer, image by image.
Writes likelihood.json into the model's folder, from which docs/results.md has its table.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from tandem.client import DEFAULT_ADDRESS, AsyncTandemClient, SequentialModel
from tandem.measure.quality.drawing import Sampling, draw, find_model
from tandem.measure.quality.fashion_mnist import NUM_CLASSES, load_split
from tandem.measure.quality.model_verdict import bits_per_token
from tandem.measure.quality.reference import Split
from tandem.shared.models import ModelRepository
from training import loop
from training.dataset import load
from training.image_kind import ImageKind
from training.tokenizer.train import load_tokenizer, token_sequences
from training.transformer.export import load_trained
from training.transformer.train import config_of, token_bits

NUM_PER_CLASS = 200
SEED = 2  # not that of the evaluation

Bits = npt.NDArray[np.float64]


@torch.inference_mode()
def training_bits(run: Path, tokenizer_run: Path) -> Bits:
    """Return bits a token [N] of every test image, as the training measures them."""
    weights = loop.best(run, "model-*.safetensors", "validation_bits")
    model = load_trained(load_file(weights), config_of(ImageKind.of(run)))
    sequences = token_sequences(load_tokenizer(loop.newest(tokenizer_run, "ema-*.safetensors")), load().test)
    return np.concatenate([token_bits(model, part).double().mean(dim=1).numpy() for part in sequences.split(500)])


async def served_bits(address: str, name: str, rival: str) -> tuple[Bits, dict[str, Bits]]:
    """Return bits a token of every test image, in their order, and of each kind of images by its name."""
    test = Split(*load_split("test"))
    chosen = test.balance(NUM_PER_CLASS, NUM_CLASSES)
    noise = np.random.default_rng(SEED).integers(0, 256, chosen.images.shape, dtype=np.uint8)
    async with AsyncTandemClient(address) as client:
        model = await find_model(client, name)
        if not isinstance(model, SequentialModel):
            raise SystemExit(f"error: {name} has no likelihoods: it is no sequential model")
        kinds = {
            "test images": chosen,
            f"{name}'s own": await _draw_balanced(client, name, chosen.labels),
            f"{rival}'s": await _draw_balanced(client, rival, chosen.labels),
            "test images, wrong class": Split(chosen.images, (chosen.labels + 1) % NUM_CLASSES),
            "test images, upside down": Split(chosen.images[:, ::-1].copy(), chosen.labels),
            "noise": Split(noise, chosen.labels),
        }
        every = await bits_per_token(client, name, test)
        return every, {kind: await bits_per_token(client, name, images) for kind, images in kinds.items()}


async def _draw_balanced(client: AsyncTandemClient, name: str, labels: npt.NDArray[np.int64]) -> Split:
    images = await draw(client, await find_model(client, name), labels, Sampling(SEED), lambda _: None)
    return Split(images, labels)


def report(trained: Bits, served: Bits, kinds: dict[str, Bits]) -> dict[str, Any]:
    """Return the figures: agreement over all test images, and each kind's mean, its standard error and spread."""
    real = kinds["test images"]
    differences = np.abs(trained - served)
    return {
        "num_test_images": len(served),
        "training_bits_per_token": round(float(trained.mean()), 6),
        "served_bits_per_token": round(float(served.mean()), 6),
        "largest_difference_of_an_image": round(float(differences.max()), 6),
        "images_with_other_tokens": int((differences > 1e-3).sum()),
        "num_of_each_kind": len(real),
        "kinds": {kind: _figures(bits, real) for kind, bits in kinds.items()},
    }


def _figures(bits: Bits, real: Bits) -> dict[str, float]:
    truth = np.repeat([0, 1], [len(real), len(bits)])
    return {
        "mean": round(float(bits.mean()), 4),
        "standard_error": round(float(bits.std(ddof=1) / len(bits) ** 0.5), 4),
        "lowest_tenth": round(float(np.quantile(bits, 0.1)), 4),
        "highest_tenth": round(float(np.quantile(bits, 0.9)), 4),
        "auc": round(float(roc_auc_score(truth, np.concatenate([real, bits]))), 4),
    }


def main() -> None:
    parser = loop.path_parser(
        __doc__, run="folder of the transformer's training run", tokenizer="folder of the tokenizer's training run"
    )
    parser.add_argument("--model", default="fashion-ar", help="sequential model; its folder is in --models-dir")
    parser.add_argument("--rival", default="fashion-gan", help="parallel model whose images are scored as well")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--address", default=DEFAULT_ADDRESS, help="the gateway")
    options = parser.parse_args()
    folder = ModelRepository(options.models_dir).get(options.model).folder
    served, kinds = asyncio.run(served_bits(options.address, options.model, options.rival))
    found = report(training_bits(options.run, options.tokenizer), served, kinds)
    (folder / "likelihood.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
