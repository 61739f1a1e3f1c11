"""The diversity watch over one image model: its baseline, and what it looks with. See `diversity.watch`."""

import logging
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from runtime.metrics import DiversityMetrics
from services.common.diversity.baseline import load_baseline
from services.common.diversity.watch import DiversityWatch, Look
from services.common.images.encoding import Images
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import Model

MAX_SIDE = 32


def pixel_features(images: Images, value_range: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Return vectors [N, F] of values 0 to 1; no side of the image behind a vector is longer than MAX_SIDE."""
    low, high = value_range
    count, height, width, channels = images.shape
    size = -(-max(height, width) // MAX_SIDE)
    # What does not fill a square at the lower and right edges is left out.
    rows, columns = height // size, width // size
    squares = images[:, : rows * size, : columns * size].reshape(count, rows, size, columns, size, channels)
    values: npt.NDArray[np.float32] = squares.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    return (values - np.float32(low)) / np.float32(high - low)


logger = logging.getLogger(__name__)

REMEDY = "`python -m training.release.diversity_baseline` measures it"


def open_watch(
    model: Model,
    image: ImageSpec,
    every: int,
    max_per_second: float,
    metrics: DiversityMetrics,
    open_discriminator_look: Callable[[], Look] | None = None,
) -> DiversityWatch | None:
    """Return the watch over a model; None, and a line in the log, where there is nothing to compare its images with.

    Raises ModelError if the baseline is broken or one of other classes.
    """
    if model.spec.diversity is None:
        logger.info("%s: diversity is not watched: model.toml names no baseline; %s", model.name, REMEDY)
        return None
    baseline = load_baseline(model.path(model.spec.diversity), image.class_names)
    changed = baseline.changed_files(model.folder)
    if baseline.features == "pixels":
        look = pixel_look(image)
    elif open_discriminator_look is None or model.spec.discriminator in (None, *changed):
        logger.warning("%s: diversity is not watched: its baseline is of another discriminator; %s", model.name, REMEDY)
        return None
    else:
        look = open_discriminator_look()
    if changed:  # and watched all the same: other weights that draw are just what the watch is to tell
        logger.warning("%s: the diversity baseline is that of another %s", model.name, ", ".join(changed))
    metrics.watch(model.name)
    logger.info("%s: one image in %d is watched for diversity, by its %s", model.name, every, baseline.features)
    return DiversityWatch(model.name, baseline, look, every, max_per_second, metrics)


def pixel_look(image: ImageSpec) -> Look:
    return lambda images, _: pixel_features(images, image.value_range)
