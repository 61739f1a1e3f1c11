"""Train a GAN, a transformer and a judge of handwritten digits, and write them as a model repository.

    python -m examples.digits.train --out my-models

Takes about a minute on 2 cores. Needs the extras `quality` (scikit-learn) and `training` (onnx).
"""

import argparse
from pathlib import Path

from examples.digits import autoregressive, gan, judge
from examples.digits.data import load, save_reference
from training.onnx_files import record_digests

GAN_STEPS, AUTOREGRESSIVE_STEPS, JUDGE_STEPS = 4_000, 700, 1_000

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


def train(models: Path, effort: float, seed: int) -> None:
    """Fill the model repository `models`."""
    train_digits, test_digits = load()
    gan_folder = entry(models, "digits-gan", GAN_TOML)
    autoregressive_folder = entry(models, "digits-ar", AUTOREGRESSIVE_TOML)
    judge_folder = entry(models, "digits-judge", JUDGE_TOML)
    save_reference(train_digits, test_digits, models / "digits.npz")

    players = gan.train(train_digits, round(effort * GAN_STEPS), seed)
    record_digests(gan_folder / "model.toml", gan.export(*players, gan_folder))

    transformer = autoregressive.train(train_digits, round(effort * AUTOREGRESSIVE_STEPS), seed)
    bits = autoregressive.bits_per_token(transformer, autoregressive.sequences(test_digits))
    print(f"the transformer needs {bits:.2f} bits for a pixel of the test images")
    files = autoregressive.export(transformer, autoregressive_folder)
    record_digests(autoregressive_folder / "model.toml", files)

    classifier = judge.train(train_digits, round(effort * JUDGE_STEPS), seed)
    print(f"the judge gets {judge.accuracy(classifier, test_digits):.1%} of the test images right")
    record_digests(judge_folder / "model.toml", judge.export(classifier, judge_folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the model repository to write")
    parser.add_argument("--effort", type=float, default=1.0, help="share of the usual training steps; 0.01 just tries")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train(options.out, options.effort, options.seed)


if __name__ == "__main__":
    main()
