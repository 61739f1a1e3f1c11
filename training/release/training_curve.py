"""How the GAN got better as it trained.

    python -m training.release.training_curve --run runs/fashion-gan --model models/fashion-gan

For every snapshot of the run: 5,000 class-balanced 8-bit samples against the 5,000 validation images, in the features
of the frozen judge. Writes curve.json and curve.png (quality above, both players' losses below) into the model's
folder. More training buys variety (recall) and pays with broken images (precision): look at both before you choose a
snapshot. The test images have no part in it, so what is published of the chosen one is of images that chose nothing.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import torch
from matplotlib import pyplot
from rich.progress import track
from safetensors.torch import load_file

from tandem.measure.quality.fashion_mnist import NUM_CLASSES
from tandem.measure.quality.judge import Judge
from training.dataset import NUM_HELD_OUT, load, to_pixels
from training.gan.networks import LATENT_DIM, Generator
from training.loop import path_parser
from training.release.steps_curve import OVERLAP, RealImages

NUM_SAMPLES = NUM_HELD_OUT
SEED = 1
SMOOTHED_OVER = 9


@torch.no_grad()
def draw(weights: Path) -> npt.NDArray[np.uint8]:
    """Return NUM_SAMPLES images [N, 28, 28], as many of each class, in the order of the classes."""
    generator = Generator().eval()
    generator.load_state_dict(load_file(weights))
    latents = torch.randn(NUM_SAMPLES, LATENT_DIM, generator=torch.Generator().manual_seed(SEED))
    parts = [generator(z, y) for z, y in zip(latents.split(500), labels().split(500), strict=True)]
    return to_pixels(torch.cat(parts)).squeeze(1).numpy()


def labels() -> torch.Tensor:
    return torch.arange(NUM_CLASSES).repeat_interleave(NUM_SAMPLES // NUM_CLASSES)


def measure(run: Path, judge: Judge) -> dict[str, Any]:
    """Return the curve: one point a snapshot, and what real images get (the floor)."""
    data = load()
    validation = RealImages(judge, data.validation[0].squeeze(1).numpy(), is_extrapolated=False)
    points = [
        {"step": int(path.stem.removeprefix("ema-")), **validation.compare(draw(path), labels().numpy())}
        for path in track(sorted(run.glob("ema-*.safetensors")), description="measuring snapshots")
    ]
    images, wanted = (part[:NUM_SAMPLES] for part in data.train)
    floor = validation.compare(images.squeeze(1).numpy(), wanted.numpy())
    return {"num_samples": NUM_SAMPLES, "seed": SEED, "real_train_images": floor, "snapshots": points}


def plot(curve: dict[str, Any], log: list[dict[str, float]], path: Path) -> None:
    """Draw FID, precision and its kin, and both losses of the game, over steps."""
    figure, (above, middle, below) = pyplot.subplots(3, 1, figsize=(8, 8), sharex=True)
    steps = [point["step"] for point in curve["snapshots"]]
    above.plot(steps, [point["fid"] for point in curve["snapshots"]], marker="o", label="generator (EMA)")
    above.axhline(curve["real_train_images"]["fid"], linestyle=":", color="gray", label="real training images")
    above.set(
        yscale="log",
        ylabel="FID (judge features)",
        title=f"fashion-gan: {NUM_SAMPLES:,} samples against the validation images",
    )
    for name in ("accuracy", *OVERLAP):
        middle.plot(steps, [point[name] for point in curve["snapshots"]], marker=".", label=name)
    middle.set(ylabel="share", ylim=(0.4, 1))
    for player, colour in (("discriminator", "tab:red"), ("generator", "tab:blue")):
        below.plot([x["step"] for x in log], smooth([x[f"{player}_loss"] for x in log]), color=colour, label=player)
    below.set(xlabel="step", ylabel="hinge loss")
    for axes in (above, middle, below):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def smooth(values: list[float]) -> npt.NDArray[np.float64]:
    """Return the running mean over SMOOTHED_OVER values."""
    padded = np.pad(values, SMOOTHED_OVER // 2, mode="edge")
    return np.convolve(padded, np.ones(SMOOTHED_OVER) / SMOOTHED_OVER, mode="valid")


def main() -> None:
    parser = path_parser(
        __doc__, run="folder that the training wrote", model="model folder for curve.json and curve.png"
    )
    parser.add_argument("--judge", type=Path, default=Path("models/fashion-judge/judge.onnx"))
    options = parser.parse_args()
    mpl.use("agg")
    curve = measure(options.run, Judge(options.judge))
    log = [json.loads(line) for line in (options.run / "log.jsonl").read_text().splitlines()]
    (options.model / "curve.json").write_text(json.dumps(curve, indent=1) + "\n")
    plot(curve, log, options.model / "curve.png")
    print(json.dumps(curve))


if __name__ == "__main__":
    main()
