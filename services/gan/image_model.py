"""A loaded model: generator, discriminator and the batchers in front of them, put together from the settings."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

from runtime.loading_thread import in_loading_thread
from runtime.models import ImageSpec, Model, ModelError
from services.common.batch_admission import BatchLimits
from services.common.batcher import Batcher
from services.common.diversity import DiversityWatch
from services.common.onnx_session import choose_providers, default_num_instances, open_session
from services.common.providers import Provider
from services.common.quality_watch import open_watch
from services.gan.discriminator import Discriminator, Exhibits, Verdict, discriminator_look
from services.gan.drawing_pass import DrawingPass, Drawn, Rows
from services.gan.generator import Generator, blank
from services.gan.metrics import BatcherMetrics, GanMetrics
from services.gan.settings import GanSettings
from tandem.gan.v1 import gan_pb2

logger = logging.getLogger(__name__)

Network = TypeVar("Network", Generator, Discriminator)


class ImageModel:
    """One entry of the model repository, loaded; `description` is what ListModels says of it."""

    def __init__(
        self,
        model: Model,
        image: ImageSpec,
        generators: list[Generator],
        discriminator: Discriminator | None,
        watch: DiversityWatch | None,
        settings: GanSettings,
        metrics: GanMetrics,
    ) -> None:
        self.name = model.name
        self.image = image
        self.watch = watch
        self.max_batch_size = settings.max_batch_size
        self.max_reply_bytes = settings.max_reply_bytes
        self._generators = generators
        limits = batch_limits(settings)
        observer = BatcherMetrics(metrics, model.name, "generator")
        passes = [DrawingPass(each, image.value_range, watch) for each in generators]
        self.batcher: Batcher[Rows, Drawn] = Batcher(f"{model.name}'s generator", passes, limits, observer)
        observer.watch(self.batcher)
        self.judge: Batcher[Exhibits, Verdict] | None = None
        self.feature_dim = 0
        if discriminator is not None:
            observer = BatcherMetrics(metrics, model.name, "discriminator")
            name = f"{model.name}'s discriminator"
            self.judge = Batcher(name, [discriminator.judge_batch], limits, observer)
            self.feature_dim = discriminator.feature_dim
            observer.watch(self.judge)
        self.description = _description(self, model)

    @property
    def providers(self) -> list[str]:
        """The execution providers that really run the generator."""
        return self._generators[0].providers

    @property
    def num_instances(self) -> int:
        """Copies of the generator, each with passes of its own."""
        return len(self._generators)

    @property
    def parts(self) -> list[Batcher[Any, Any]]:
        return [self.batcher] if self.judge is None else [self.batcher, self.judge]

    def warm_up(self) -> None:
        """Run every copy of the generator once at each power of two up to the largest batch, and at that."""
        sizes = [2**n for n in range(self.max_batch_size.bit_length())] + [self.max_batch_size]
        for generator in self._generators:
            for size in sizes:
                generator.draw(blank(self.image, size))


def batch_limits(settings: GanSettings) -> BatchLimits:
    """Return what the queues of each model may hold, as a whole and for each caller."""
    # A caller that is alone may use the whole of what one request may ask for.
    share = math.floor(settings.max_caller_share * settings.max_queued_images)
    return BatchLimits(
        settings.max_batch_size,
        settings.max_queued_images,
        settings.max_batch_delay_seconds,
        max(settings.max_images_per_request, share),
        settings.max_wait_seconds,
    )


def _description(loaded: ImageModel, model: Model) -> gan_pb2.Model:
    return gan_pb2.Model(
        name=model.name,
        licence=model.spec.licence,
        image_shape=loaded.image.shape,
        latent_dim=loaded.image.latent_dim,
        num_classes=len(loaded.image.class_names),
        class_names=loaded.image.class_names,
        value_range=loaded.image.value_range,
        providers=loaded.providers,
        max_batch_size=loaded.max_batch_size,
        has_discriminator=loaded.judge is not None,
        max_reply_bytes=loaded.max_reply_bytes,
    )


def load_image_model(model: Model, settings: GanSettings, metrics: GanMetrics) -> ImageModel:
    """Load a model and warm it up; its batchers are not started. Raises ModelError, ProviderError."""
    started = time.monotonic()
    image = _checked(model)
    model.verify_files()
    providers = choose_providers(settings.provider)
    generators = [_open(model, model.spec.generator, Generator, providers, settings)]
    num_instances = settings.num_instances or default_num_instances(generators[0].providers)
    generators += [_open(model, model.spec.generator, Generator, providers, settings) for _ in range(num_instances - 1)]
    discriminator = None
    if model.spec.discriminator is not None:
        discriminator = _open(model, model.spec.discriminator, Discriminator, providers, settings)
    watch = None
    if settings.diversity_every:
        watch = open_watch(
            model,
            image,
            settings.diversity_every,
            metrics.diversity,
            lambda: discriminator_look(
                _open(model, model.spec.discriminator, Discriminator, providers, settings), image
            ),
        )
    loaded = ImageModel(model, image, generators, discriminator, watch, settings, metrics)
    loaded.warm_up()
    metrics.report_providers(model.name, "generator", loaded.providers)
    if discriminator is not None:
        metrics.report_providers(model.name, "discriminator", discriminator.providers)
    seconds = time.monotonic() - started
    logger.info("loaded %s: %d x %s in %.1f s", model.name, num_instances, loaded.providers[0], seconds)
    return loaded


def _checked(model: Model) -> ImageSpec:
    spec = model.spec
    if spec.kind != "gan" or spec.modality != "image":
        raise ModelError(f"{model.name}: is a {spec.modality} {spec.kind}, not an image gan")
    if spec.generator is None or spec.image is None or not spec.image.latent_dim:
        raise ModelError(f"{model.name}: model.toml needs generator, image.shape and image.latent_dim")
    return spec.image


def _open(
    model: Model,
    file: str | None,
    network: Callable[[Any, ImageSpec], Network],
    providers: list[Provider],
    settings: GanSettings,
) -> Network:
    assert file is not None  # noqa: S101  checked by the caller
    path = model.path(file)
    session = open_session(path, providers, settings.threads_per_instance, settings.provider)
    try:
        return network(session, _checked(model))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


async def load_and_start(model: Model, settings: GanSettings, metrics: GanMetrics) -> ImageModel:
    """Load a model in a thread, warm it up, start its batchers and its watch. Raises ModelError, ProviderError."""
    loaded = await in_loading_thread(load_image_model, model, settings, metrics)
    for batcher in loaded.parts:
        batcher.start()
    if loaded.watch is not None:
        loaded.watch.start()
    return loaded
