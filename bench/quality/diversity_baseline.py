"""Measure what the diversity watch compares a served GAN's images with.

    python -m bench.quality.diversity_baseline --model models/fashion-gan [--features pixels]

Draws 4,000 images of each class by the rules that the service draws by. Half of them give the baseline, half stand in
for traffic: where a healthy window comes out poorer than the usual limits of the alarm allow, the limits give way.
Writes diversity.json into the model's folder and its name and digest into model.toml.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from rich.progress import track

from runtime.models import ImageSpec, Model, ModelError, ModelRepository, sha256_of
from services.common.diversity import Look
from services.common.diversity_baseline import ALL, ClassBaseline, DiversityBaseline, Kind
from services.common.diversity_windows import DiversityWindows, Features, squared_distances
from services.common.onnx_session import OnnxSession, choose_providers, open_session
from services.gan.discriminator import Discriminator
from services.gan.generator import Generator, Latents
from services.gan.latents import draw_latents
from services.gan.quality_watch import discriminator_look, pixel_look

FILE = "diversity.json"
NUM_IMAGES = 2_000
BATCH_SIZE = 50
ALARM_VARIANCE_RATIO = 0.75
ALARM_NEAREST_RATIO = 0.25
CLOSE_PAIRS = 0.02


def measure(model: Model, kind: Kind | None, seed: int) -> DiversityBaseline:
    """Return the baseline of a GAN; by its discriminator's features where it has one, unless told otherwise."""
    image, generator_file, judge_file = model.spec.image, model.spec.generator, model.spec.discriminator
    if image is None or generator_file is None:
        raise ModelError(f"{model.name}: no image gan")
    kind = kind or ("pixels" if judge_file is None else "discriminator")
    files = [generator_file]
    look = pixel_look(image)
    if kind == "discriminator":
        if judge_file is None:
            raise ModelError(f"{model.name}: has no discriminator; --features pixels does without")
        files.append(judge_file)
        look = discriminator_look(Discriminator(_session(model, judge_file), image), image)
    generator = Generator(_session(model, generator_file), image)
    labels = range(max(1, len(image.class_names)))
    features = [drawn_features(generator, image, look, label, seed) for label in track(labels, "measuring")]
    digests = {file: sha256_of(model.path(file)) for file in files}
    return baseline_of(features, image.class_names or (ALL,), kind, digests, seed)


def baseline_of(
    features: Sequence[Features], names: Sequence[str], kind: Kind, digests: dict[str, str], seed: int
) -> DiversityBaseline:
    """Return the baseline of features [2 N, F], one array a class: half of them measured, half of them tried out on."""
    half = len(features[0]) // 2
    baseline = DiversityBaseline(
        features=kind,
        measured_for=digests,
        num_images=half,
        seed=seed,
        alarm_variance_ratio=ALARM_VARIANCE_RATIO,
        alarm_nearest_ratio=ALARM_NEAREST_RATIO,
        classes=tuple(class_baseline(name, each[:half]) for name, each in zip(names, features, strict=True)),
    )
    return with_quiet_limits(baseline, [each[half:] for each in features])


def _session(model: Model, file: str) -> OnnxSession:
    return open_session(model.path(file), choose_providers("cpu"), 1, "cpu")


def drawn_features(generator: Generator, image: ImageSpec, look: Look, label: int, seed: int) -> Features:
    """Return the features [2 * NUM_IMAGES, F] of images of one class."""
    return np.concatenate(list(_parts(generator, image, look, label, seed)))


def _parts(generator: Generator, image: ImageSpec, look: Look, label: int, seed: int) -> Iterator[Features]:
    labels = np.full(BATCH_SIZE, label)
    for start in range(0, 2 * NUM_IMAGES, BATCH_SIZE):
        first = label * 2 * NUM_IMAGES + start
        vectors = draw_latents(seed, first, BATCH_SIZE, image.latent_dim)
        images = generator.draw(Latents(vectors, labels if image.class_names else None))
        yield look(images, labels)


def class_baseline(name: str, features: Features) -> ClassBaseline:
    """Return variance and pair distance of the features [N, F] of one class. Raises ModelError if it has none."""
    vectors = features.astype(np.float64)
    distances = np.sqrt(squared_distances(vectors))[np.triu_indices(len(vectors), 1)]
    variance, distance = vectors.var(axis=0, ddof=1).sum(), np.quantile(distances, CLOSE_PAIRS)
    if not (variance > 0 and distance > 0):
        raise ModelError(f"class {name}: the images hardly differ: variance {variance:g}, distance {distance:g}")
    return ClassBaseline(name=name, variance=variance, distance=distance)


def with_quiet_limits(baseline: DiversityBaseline, healthy: list[Features]) -> DiversityBaseline:
    """Return the baseline with limits that no window of the features `healthy`, one array a class, falls short of."""
    windows = DiversityWindows(baseline)
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(healthy)), len(healthy[0])))
    rows = [iter(each) for each in healthy]
    readings = [
        reading for key, label in enumerate(labels) for reading in windows.add(key, int(label), next(rows[label]))
    ]
    variance = min(each.variance_ratio for each in readings)
    nearest = min(each.nearest_ratio for each in readings)
    print(f"{len(readings)} healthy windows: lowest variance ratio {variance:.3f}, lowest nearest ratio {nearest:.3f}")
    if nearest == 0:
        raise ModelError("the model draws the very same image twice in a window: there is no limit to set")
    limits = {
        "alarm_variance_ratio": min(ALARM_VARIANCE_RATIO, variance),
        "alarm_nearest_ratio": min(ALARM_NEAREST_RATIO, nearest),
    }
    return baseline.model_copy(update=limits)


def write(model: Model, baseline: DiversityBaseline) -> None:
    """Write diversity.json and say so in model.toml."""
    path, model_toml = model.folder / FILE, model.folder / "model.toml"
    path.write_text(baseline.model_dump_json(indent=1) + "\n")
    model_toml.write_text(with_entry(model_toml.read_text(), sha256_of(path)))


def with_entry(toml: str, digest: str) -> str:
    """Return a model.toml that names diversity.json and its digest."""
    line = f'"{FILE}" = "{digest}"'
    if not re.search(r"^diversity\s*=", toml, re.MULTILINE):
        top, bracket, tables = toml.partition("\n[")
        toml = f'{top.rstrip()}\ndiversity = "{FILE}"\n{bracket}{tables}'
    if f'"{FILE}" =' in toml:
        return re.sub(rf'^"{re.escape(FILE)}" = .*$', line, toml, flags=re.MULTILINE)
    if "[files]\n" not in toml:
        return f"{toml.rstrip()}\n\n[files]\n{line}\n"
    return toml.replace("[files]\n", f"[files]\n{line}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the model in the repository")
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
