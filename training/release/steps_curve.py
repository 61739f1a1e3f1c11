"""What each step of sequence buys: quality over the number of steps, measured through the gateway:

    python -m training.release.steps_curve --model models/fashion-sar

For each number of steps: bits a token, by `Score`, of 2,000 test images balanced over the classes; and class-balanced
8-bit samples against the test images in the features of the judge. Writes steps.json and steps.png (a row of one
image a class for each number of steps, the most at the top) into the model's folder.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tandem.client import DEFAULT_ADDRESS, AsyncTandemClient, SequentialModel
from tandem.measure.quality.distances import distance, normals_of
from tandem.measure.quality.drawing import Sampling, draw, find_model
from tandem.measure.quality.fashion_mnist import NUM_CLASSES
from tandem.measure.quality.judge import Judge
from tandem.measure.quality.manifold import Manifold
from tandem.measure.quality.model_verdict import NUM_PER_CLASS, bits_per_token
from tandem.measure.quality.reference import Split, fashion_mnist

STEPS = (49, 24, 12, 8, 4, 2, 1)
SEED = 1


class Test:
    """The test images, and how far other images are from them."""

    def __init__(self, judge: Judge, images: npt.NDArray[np.uint8]) -> None:
        self._judge = judge
        self._features = judge.classify(images)[1]
        self._normals = normals_of(self._features)
        self._manifold = Manifold(self._features)

    def compare(self, images: Split) -> dict[str, float]:
        """Return the figures of generated images."""
        guesses, features = self._judge.classify(images.images)
        found = self._manifold.overlap(features)
        return {
            "fid": round(distance(features, self._normals).value, 4),
            "accuracy": round(float((guesses == images.labels).mean()), 4),
            "precision": round(found.precision, 4),
            "recall": round(found.recall, 4),
            "coverage": round(found.coverage, 4),
        }


async def curve(
    address: str, name: str, *, steps: Sequence[int], num_samples: int, judge: Judge
) -> tuple[list[dict[str, float]], list[npt.NDArray[np.uint8]]]:
    """Return the figures for each number of steps, and one image [28, 28] of each class."""
    reference = fashion_mnist()
    test = Test(judge, reference.test.images)
    real = reference.test.balance(NUM_PER_CLASS, NUM_CLASSES)
    labels = np.repeat(np.arange(NUM_CLASSES), num_samples // NUM_CLASSES)
    points, rows = [], []
    async with AsyncTandemClient(address) as client:
        model = await find_model(client, name)
        if not isinstance(model, SequentialModel) or not model.takes_steps:
            raise SystemExit(f"error: {name} does not take steps")
        for step in steps:
            bits = await bits_per_token(client, name, real, step)
            images = Split(
                await draw(client, model, labels, replace(Sampling(SEED), steps=step), lambda _: None), labels
            )
            error = float(bits.std(ddof=1) / len(bits) ** 0.5)
            points.append(
                {"steps": step, "bits_per_token": round(float(bits.mean()), 4), "standard_error": round(error, 4)}
                | test.compare(images)
            )
            rows.append(images.balance(1, NUM_CLASSES).images)
            print(json.dumps(points[-1]), flush=True)
    return points, rows


def save_images(rows: list[npt.NDArray[np.uint8]], path: Path) -> None:
    """Write a grid: a row for each number of steps, a column a class."""
    grid = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    size = (grid.shape[1] * 3, grid.shape[0] * 3)
    Image.fromarray(grid).resize(size, Image.Resampling.NEAREST).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/fashion-sar"), help="folder of the model")
    parser.add_argument("--judge", type=Path, default=Path("models/fashion-judge/judge.onnx"))
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--num-samples", type=int, default=10_000, help="a multiple of the classes")
    parser.add_argument("--address", default=DEFAULT_ADDRESS, help="the gateway, or the sequential backend")
    options = parser.parse_args()
    points, rows = asyncio.run(
        curve(
            options.address,
            options.model.name,
            steps=options.steps,
            num_samples=options.num_samples,
            judge=Judge(options.judge),
        )
    )
    found: dict[str, Any] = {
        "num_samples": options.num_samples,
        "seed": SEED,
        "num_scored": NUM_PER_CLASS * NUM_CLASSES,
    }
    (options.model / "steps.json").write_text(json.dumps({**found, "points": points}, indent=1) + "\n")
    save_images(rows, options.model / "steps.png")


if __name__ == "__main__":
    main()
