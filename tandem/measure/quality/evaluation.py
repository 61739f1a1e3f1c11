"""One evaluation: a set of generated images measured, and what is written about it. Knows no server."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tandem.measure.quality.distances import KERNEL_SUBSET_SIZE, KERNEL_SUBSETS
from tandem.measure.quality.figure import Pair, save_figure
from tandem.measure.quality.gates import verdicts
from tandem.measure.quality.manifold import NUM_NEIGHBOURS
from tandem.measure.quality.memorisation import Nearest
from tandem.measure.quality.reference import Reference, Split
from tandem.measure.quality.yardstick import Yardstick
from tandem.measure.results.quality import Nearness, Quality, Views

_DIGITS = 5

NOTES = {
    "floor": "training images, the first of each class, put through the same metrics",
    "memorised": "share that lies nearer to a training image of its class (pixels, L2) than all but 1 % of the test"
    " images do; the floor is the test images' own, as training images are trivially memorised",
    "variance_ratio": "trace of the features' covariance, against that of the test images of the class",
    "kid": f"unbiased, kernel (x y / F + 1)^3, {KERNEL_SUBSETS} subsets of {KERNEL_SUBSET_SIZE} (all if fewer)",
    "own_verdict": "AUC: the chance that a test image gets a higher score of the discriminator than a generated one, or"
    " than itself with a wrong label; bits per token: of an image's tokens given its class, under a sequential model;"
    " reconstruction: test images to tokens and back",
    "views": "Fréchet distances to the test images, with 95 % intervals by a jackknife over tenths; judge: FID; pixels:"
    " 64 principal components of the training images, values 0 to 1; gradients: HOG (Dalal and Triggs 2005) of 4x4"
    " cells, 9 orientations, blocks of 2x2 cells; tokenizer: test images to tokens and back",
    "precision, recall, density, coverage": f"prdc, k = {NUM_NEIGHBOURS}, all images",
}


@dataclass(frozen=True)
class Subject:
    """What was evaluated and how it was drawn, as the record tells it."""

    name: str
    paradigm: str
    weights_sha256: dict[str, str]
    sampling: dict[str, float | None]
    seed: int
    seeds: str
    own_verdict: dict[str, float]
    """What the model itself says of images, see `quality.model_verdict`, and what its tokenizer loses of them."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The figures of the model and of real images, and each generated image's nearest training image."""

    model: Quality
    floor: Quality
    views: Nearness
    neighbours: list[Nearest]


def evaluate(images: Split, yardstick: Yardstick, tokenizer: Views | None) -> Evaluation:
    """Measure class-balanced `images`, and real ones for comparison.

    `tokenizer`: the views of what the model's tokenizer gives back, if it has one.
    """
    neighbours = yardstick.nearest_training_images(images)
    per_class = len(images.labels) // len(neighbours)
    real = yardstick.floor_images(per_class)
    views = Nearness(model=yardstick.views(images.images), floor=yardstick.views(real.images), tokenizer=tokenizer)
    return Evaluation(yardstick.measure(images, neighbours), yardstick.floor(per_class), views, neighbours)


def record(
    evaluation: Evaluation, subject: Subject, reference: Reference, judge: dict[str, str], class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Return what evaluation.json holds."""
    model = _rounded(evaluation.model.model_dump())
    own = _rounded(subject.own_verdict)
    return {
        **_rounded(asdict(subject)),
        "data_set": reference.name,
        "num_test_images": len(reference.test.labels),
        "judge": judge,
        "class_names": list(class_names),
        "model": model,
        "floor": _rounded(evaluation.floor.model_dump()),
        "views": _rounded(evaluation.views.model_dump()),
        "gates": verdicts(subject.name, model | own),
        "notes": NOTES,
    }


def write(
    folder: Path, evaluation: Evaluation, images: Split, reference: Reference, found: dict[str, Any]
) -> tuple[Path, Path]:
    """Write the record and the figure into `folder`; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers, figure = folder / "evaluation.json", folder / "evaluation.png"
    numbers.write_text(json.dumps(found, indent=1) + "\n")
    save_figure(figure, found, images, nearest_pairs(images, reference, evaluation.neighbours))
    return numbers, figure


def nearest_pairs(images: Split, reference: Reference, neighbours: list[Nearest]) -> list[Pair]:
    """Return, for each class, its most suspect image: the one that lies nearest to a training image, and that one."""
    pairs = []
    for label, found in enumerate(neighbours):
        suspect = int(found.distances.argmin())
        twin = reference.train.of_class(label)[found.indices[suspect]]
        pairs.append((images.of_class(label)[suspect], twin))
    return pairs


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
