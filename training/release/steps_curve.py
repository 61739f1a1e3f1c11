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

import numpy as np
import numpy.typing as npt
import torch

from tandem.client import DEFAULT_ADDRESS, AsyncTandemClient, SequentialModel
from tandem.measure.quality.distances import distance, frechet_distance, normals_of
from tandem.measure.quality.drawing import Sampling, draw, find_model
from tandem.measure.quality.fashion_mnist import NUM_CLASSES
from tandem.measure.quality.judge import Judge
from tandem.measure.quality.manifold import Manifold
from tandem.measure.quality.model_verdict import NUM_PER_CLASS, bits_per_token
from tandem.measure.quality.reference import Split, fashion_mnist
from training.dataset import write_sheet

STEPS = (49, 24, 12, 8, 4, 2, 1)
SEED = 1
OVERLAP = ("precision", "recall", "coverage")


class RealImages:
    """Some real images, and how far others are from them. `is_extrapolated`: their FID, to infinitely many images."""

    def __init__(self, judge: Judge, images: npt.NDArray[np.uint8], *, is_extrapolated: bool) -> None:
        self._judge = judge
        self._features = judge.classify(images)[1]
        self._normals = normals_of(self._features) if is_extrapolated else None
        self._manifold = Manifold(self._features)

    def compare(self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> dict[str, float]:
        """Return the figures of images that were asked for by these labels."""
        guesses, features = self._judge.classify(images)
        real, found = self._normals, self._manifold.overlap(features)
        fid = distance(features, real).value if real is not None else frechet_distance(features, self._features)
        return {
            "fid": round(fid, 4),
            "accuracy": round(float((guesses == labels).mean()), 4),
            **{name: round(getattr(found, name), 4) for name in OVERLAP},
        }


async def curve(
    address: str, name: str, *, steps: Sequence[int], num_samples: int, judge: Judge
) -> tuple[list[dict[str, float]], list[npt.NDArray[np.uint8]]]:
    """Return the figures for each number of steps, and one image [28, 28] of each class."""
    reference = fashion_mnist()
    test = RealImages(judge, reference.test.images, is_extrapolated=True)
    real = reference.test.balance(NUM_PER_CLASS, NUM_CLASSES)
    labels = np.repeat(np.arange(NUM_CLASSES), num_samples // NUM_CLASSES)
    points, rows = [], []
    async with AsyncTandemClient(address) as client:
        model = await find_model(client, name)
        if not isinstance(model, SequentialModel) or not model.takes_steps:
            raise SystemExit(f"error: {name} does not take steps")
        for step in steps:
            bits = await bits_per_token(client, name, real, step)
            drawn = await draw(client, model, labels, replace(Sampling(SEED), steps=step), lambda _: None)
            images = Split(drawn, labels)
            error = float(bits.std(ddof=1) / len(bits) ** 0.5)
            points.append(
                {"steps": step, "bits_per_token": round(float(bits.mean()), 4), "standard_error": round(error, 4)}
                | test.compare(images.images, images.labels)
            )
            rows.append(images.balance(1, NUM_CLASSES).images)
            print(json.dumps(points[-1]), flush=True)
    return points, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/fashion-sar"), help="folder of the model")
    parser.add_argument("--judge", type=Path, default=Path("models/fashion-judge/judge.onnx"))
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--num-samples", type=int, default=10_000, help="a multiple of the classes")
    parser.add_argument("--address", default=DEFAULT_ADDRESS, help="the gateway, or the sequential backend")
    options = parser.parse_args()
    settings = {"steps": options.steps, "num_samples": options.num_samples, "judge": Judge(options.judge)}
    points, rows = asyncio.run(curve(options.address, options.model.name, **settings))
    found = {"num_samples": options.num_samples, "seed": SEED, "num_scored": NUM_PER_CLASS * NUM_CLASSES}
    (options.model / "steps.json").write_text(json.dumps({**found, "points": points}, indent=1) + "\n")
    sheet = torch.from_numpy(np.concatenate(rows)).unsqueeze(1)
    write_sheet(sheet, NUM_CLASSES, options.model / "steps.png")


if __name__ == "__main__":
    main()
