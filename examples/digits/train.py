"""Train a GAN, a transformer and a judge of handwritten digits, and write them as a model repository.

    python -m examples.digits.train --out my-models

Takes about a minute. Needs the extras `quality` (scikit-learn) and `training` (onnx).
"""

import argparse
from pathlib import Path

from examples.digits import autoregressive, gan, judge
from examples.digits.data import Digits, load, save_reference
from services.ar.compute.torch.transformer import Transformer
from training.onnx_files import record_digests

GAN_STEPS, AUTOREGRESSIVE_STEPS, JUDGE_STEPS = 3_000, 700, 1_000

IMAGE = """
[image]
shape = [8, 8, 1]
value_range = [-1.0, 1.0]
class_names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
"""

GAN_TOML = f"""kind = "gan"
modality = "image"
licence = "CC-BY-4.0"
description = "Handwritten digits in one pass"
generator = "generator.onnx"
discriminator = "discriminator.onnx"
{IMAGE}latent_dim = 16
"""

AUTOREGRESSIVE_TOML = f"""kind = "transformer"
modality = "image"
licence = "CC-BY-4.0"
description = "Handwritten digits, pixel after pixel"
huggingface = "."
{IMAGE}
[image_tokens]
grid = [8, 8]
num_codes = 17
first_class_token = 17
decoder = "token_decoder.onnx"
encoder = "token_encoder.onnx"
"""

JUDGE_TOML = f"""kind = "judge"
modality = "image"
licence = "CC-BY-4.0"
description = "Classifier of handwritten digits: its features measure generators"
{IMAGE}"""


def entry(models: Path, name: str, toml: str) -> Path:
    """Make a model's folder with its model.toml; return the folder."""
    folder = models / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(toml)
    return folder


def add_gan(models: Path, digits: Digits, steps: int, seed: int) -> None:
    """Train generator and discriminator, and write them as an entry of the repository."""
    folder = entry(models, "digits-gan", GAN_TOML)
    files = gan.export(*gan.train(digits, steps, seed), folder)
    record_digests(folder / "model.toml", files)


def add_autoregressive(models: Path, digits: Digits, steps: int, seed: int) -> Transformer:
    """Likewise for the transformer and its token networks; return the transformer."""
    folder = entry(models, "digits-ar", AUTOREGRESSIVE_TOML)
    transformer = autoregressive.train(digits, steps, seed)
    record_digests(folder / "model.toml", autoregressive.export(transformer, folder))
    return transformer


def add_judge(models: Path, digits: Digits, steps: int, seed: int) -> judge.Judge:
    """Likewise for the judge, which measures the other two; return it."""
    folder = entry(models, "digits-judge", JUDGE_TOML)
    classifier = judge.train(digits, steps, seed)
    record_digests(folder / "model.toml", judge.export(classifier, folder))
    return classifier


def train(models: Path, effort: float, seed: int) -> None:
    """Fill the model repository `models`, and say how good transformer and judge are on the test images."""
    digits, test = load()
    models.mkdir(parents=True, exist_ok=True)
    save_reference(digits, test, models / "digits.npz")
    add_gan(models, digits, round(effort * GAN_STEPS), seed)
    transformer = add_autoregressive(models, digits, round(effort * AUTOREGRESSIVE_STEPS), seed)
    classifier = add_judge(models, digits, round(effort * JUDGE_STEPS), seed)
    bits = autoregressive.bits_per_token(transformer, autoregressive.sequences(test))
    print(f"the transformer needs {bits:.2f} bits for a pixel of the test images")
    print(f"the judge gets {judge.accuracy(classifier, test):.1%} of the test images right")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the model repository to write")
    parser.add_argument("--effort", type=float, default=1.0, help="share of the usual training steps; 0.01 just tries")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train(options.out, options.effort, options.seed)


if __name__ == "__main__":
    main()
