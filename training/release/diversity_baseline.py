"""Measure what the diversity watch compares a served model's images with.

    python -m training.release.diversity_baseline --model models/fashion-gan [--features pixels]

Draws 4,000 images of each class by the rules that the service draws by, and of a parallel model 1,000 more for each of
some truncations. Half of them give the baseline, half stand in for traffic: where a healthy window comes out poorer
than the usual limits of the alarm allow, the limits give way.
Writes diversity.json into the model's folder and its name and digest into model.toml.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np

from services.common.diversity.baseline import (
    ALL,
    ClassBaseline,
    DiversityBaseline,
    Kind,
    TruncatedYardstick,
    Yardstick,
)
from services.common.diversity.opening import pixel_look
from services.common.diversity.watch import Look
from services.common.diversity.windows import DiversityWindows, Features, squared_distances
from services.common.runtimes.onnx_session import open_session
from services.gan.discriminator import Discriminator
from tandem.shared.file_hashes import sha256_of
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import Model, ModelError, ModelRepository
from training.loop import path_parser
from training.model_files import name_file
from training.release.own_images import features_by_class

Y = TypeVar("Y", bound=Yardstick)

FILE = "diversity.json"
NUM_IMAGES = 2_000
NUM_TRUNCATED = 500
TRUNCATIONS = (0.5, 0.7, 1.0, 1.4, 2.0)
ALARM_VARIANCE_RATIO = 0.75
ALARM_NEAREST_RATIO = 0.25
CLOSE_PAIRS = 0.02


def measure(model: Model, kind: Kind | None, seed: int) -> DiversityBaseline:
    """Return an image model's baseline; by its discriminator's features where it has one, unless told otherwise."""
    image, discriminator_file = model.spec.image, model.spec.discriminator
    if image is None or model.spec.kind == "judge":
        raise ModelError(f"{model.name}: makes no images")
    kind = kind or ("pixels" if discriminator_file is None else "discriminator")
    files = drawing_files(model)
    look = pixel_look(image)
    if kind == "discriminator":
        if discriminator_file is None:
            raise ModelError(f"{model.name}: has no discriminator; --features pixels does without")
        files.append(discriminator_file)
        look = Discriminator(open_session(model.path(discriminator_file)), image).look
    features = features_by_class(model, image, look, num_images=2 * NUM_IMAGES, seed=seed)
    digests = {file: sha256_of(model.path(file)) for file in files}
    about = {"features": kind, "measured_for": digests, "num_images": NUM_IMAGES, "seed": seed}
    baseline = yardstick_of(DiversityBaseline, image.class_names, features, about)
    if model.spec.kind == "transformer":
        return baseline
    return baseline.model_copy(update={"truncated": measure_truncated(model, image, look, seed)})


def measure_truncated(model: Model, image: ImageSpec, look: Look, seed: int) -> tuple[TruncatedYardstick, ...]:
    """Return what the images of a parallel model are held against for each of TRUNCATIONS.

    Images of any truncation up to the next one are held against it, so the limits give way to the next one's as well.
    """
    features = [
        features_by_class(model, image, look, num_images=2 * NUM_TRUNCATED, seed=seed, truncation=truncation)
        for truncation in (*TRUNCATIONS, None)
    ]
    found = []
    for truncation, own, following in zip(TRUNCATIONS, features, features[1:], strict=False):
        yardstick = yardstick_of(TruncatedYardstick, image.class_names, own, {"truncation": truncation})
        found.append(with_quiet_limits(yardstick, following))
    return tuple(found)


def drawing_files(model: Model) -> list[str]:
    """Return the weights that decide what an image model's images look like, relative to its folder."""
    spec = model.spec
    if spec.image_tokens is None or spec.huggingface is None:
        return [] if spec.generator is None else [spec.generator]
    parts = sorted(model.transformer_path().glob("*.safetensors"))
    return [spec.image_tokens.decoder, *(str(Path(spec.huggingface) / part.name) for part in parts)]


def yardstick_of(kind: type[Y], names: Sequence[str], features: Sequence[Features], about: dict[str, Any]) -> Y:
    """Return the yardstick of features [2 N, F], one array a class: half are measured, half tried out on."""
    classes = tuple(
        class_baseline(name, vectors[: len(vectors) // 2])
        for name, vectors in zip(names or (ALL,), features, strict=True)
    )
    limits = {"alarm_variance_ratio": ALARM_VARIANCE_RATIO, "alarm_nearest_ratio": ALARM_NEAREST_RATIO}
    return with_quiet_limits(kind(classes=classes, **limits, **about), features)


def class_baseline(name: str, features: Features) -> ClassBaseline:
    """Return variance and pair distance of the features [N, F] of one class. Raises ModelError if it has none."""
    vectors = features.astype(np.float64)
    distances = np.sqrt(squared_distances(vectors))[np.triu_indices(len(vectors), 1)]
    variance, distance = vectors.var(axis=0, ddof=1).sum(), np.quantile(distances, CLOSE_PAIRS)
    if not (variance > 0 and distance > 0):
        raise ModelError(f"class {name}: the images hardly differ: variance {variance:g}, distance {distance:g}")
    return ClassBaseline(name=name, variance=variance, distance=distance)


def with_quiet_limits(baseline: Y, features: Sequence[Features]) -> Y:
    """Return the baseline with limits that no window of the second half of the features [2 N, F] falls short of."""
    windows, healthy = DiversityWindows(baseline), [vectors[len(vectors) // 2 :] for vectors in features]
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(healthy)), len(healthy[0])))
    rows = [iter(vectors) for vectors in healthy]
    readings = [
        reading for key, label in enumerate(labels) for reading in windows.add(key, int(label), next(rows[label]))
    ]
    variance = min(reading.variance_ratio for reading in readings)
    nearest = min(reading.nearest_ratio for reading in readings)
    print(f"{len(readings)} healthy windows: lowest variance ratio {variance:.3f}, lowest nearest ratio {nearest:.3f}")
    if nearest == 0:
        raise ModelError("the model draws the very same image twice in a window: there is no limit to set")
    limits = {
        "alarm_variance_ratio": min(baseline.alarm_variance_ratio, variance),
        "alarm_nearest_ratio": min(baseline.alarm_nearest_ratio, nearest),
    }
    return baseline.model_copy(update=limits)


def write(model: Model, baseline: DiversityBaseline) -> None:
    """Write diversity.json and say so in model.toml."""
    (model.folder / FILE).write_text(baseline.model_dump_json(indent=1) + "\n")
    name_file(model.folder, "diversity", FILE)


def main() -> None:
    parser = path_parser(__doc__, model="folder of the model in the repository")
    parser.add_argument("--features", choices=get_args(Kind), help="default: discriminator, if there is one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model = ModelRepository(options.model.parent).get(options.model.name)
    try:
        write(model, measure(model, options.features, options.seed))
    except ModelError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
