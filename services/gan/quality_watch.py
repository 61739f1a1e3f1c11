"""The diversity watch over one GAN: its baseline, and what it looks with. See `services.common.diversity`."""

import logging
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from runtime.metrics import DiversityMetrics
from runtime.models import ImageSpec, Model
from services.common.diversity import DiversityWatch, Look
from services.common.diversity_baseline import DiversityBaseline, load_baseline
from services.common.diversity_windows import Features
from services.common.images import Images
from services.common.pixel_features import pixel_features
from services.gan.discriminator import Discriminator, Exhibits

logger = logging.getLogger(__name__)

REMEDY = "`python -m bench.quality.diversity_baseline` measures it"


def open_watch(
    model: Model,
    image: ImageSpec,
    open_discriminator: Callable[[], Discriminator],
    every: int,
    metrics: DiversityMetrics,
) -> DiversityWatch | None:
    """Return the watch over a model; None, and a line in the log, where there is nothing to compare its images with.

    Raises ModelError if the baseline is broken or one of other classes.
    """
    if model.spec.diversity is None:
        logger.info("%s: diversity is not watched: model.toml names no baseline; %s", model.name, REMEDY)
        return None
    baseline = load_baseline(model.path(model.spec.diversity), image.class_names)
    if not _belongs(baseline, model):
        return None
    metrics.watch(model.name)
    look = look_of(baseline, image, open_discriminator)
    logger.info("%s: one image in %d is watched for diversity, by its %s", model.name, every, baseline.features)
    return DiversityWatch(model.name, baseline, look, every, metrics)


def _belongs(baseline: DiversityBaseline, model: Model) -> bool:
    """Return whether the baseline can be used; another generator is just what the watch is to tell."""
    changed = baseline.changed_files(model.folder)
    if baseline.features == "discriminator" and (model.spec.discriminator in (None, *changed)):
        logger.warning("%s: diversity is not watched: its baseline is of another discriminator; %s", model.name, REMEDY)
        return False
    if changed:
        logger.warning("%s: the diversity baseline is that of another %s", model.name, ", ".join(changed))
    return True


def look_of(baseline: DiversityBaseline, image: ImageSpec, open_discriminator: Callable[[], Discriminator]) -> Look:
    """Return what makes the baseline's kind of features."""
    return pixel_look(image) if baseline.features == "pixels" else discriminator_look(open_discriminator(), image)


def pixel_look(image: ImageSpec) -> Look:
    return lambda images, _: pixel_features(images, image.value_range)


def discriminator_look(discriminator: Discriminator, image: ImageSpec) -> Look:
    def look(images: Images, labels: npt.NDArray[np.int64]) -> Features:
        return discriminator.judge(Exhibits(images, labels if image.class_names else None)).features

    return look
