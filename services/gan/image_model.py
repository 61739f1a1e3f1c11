"""A loaded model: generator, discriminator and the batchers in front of them, put together from the settings."""

import logging
import math
import time
from dataclasses import replace
from typing import Any

from runtime.loading_thread import in_loading_thread
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from services.common.diversity.opening import open_watch
from services.common.diversity.watch import DiversityWatch
from services.common.images.received import ReceivedImages
from services.common.runtimes.onnx_session import choose_providers, open_session
from services.common.runtimes.providers import Provider
from services.gan.api.description import model_message
from services.gan.discriminator import Discriminator, DiscriminatorInputs, Verdict, discriminator_look
from services.gan.generator import blank
from services.gan.generator_batch import GeneratorBatches, ImageSlice
from services.gan.generator_instances import GeneratorInstances, open_instances
from services.gan.image_request import Part
from services.gan.metrics import BatcherMetrics, GanMetrics
from services.gan.settings import GanSettings
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import Model, ModelError

logger = logging.getLogger(__name__)


class ImageModel:
    """One entry of the model repository, loaded; `description` is what ListModels says of it."""

    def __init__(
        self,
        model: Model,
        image: ImageSpec,
        generators: GeneratorInstances,
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
        self.generators = generators
        self.fingerprint = generators.fingerprint
        """The short name of all that the images' bits depend on besides the request."""
        limits = replace(batch_limits(settings), preferred_batch_size=generators.preferred_batch_size)
        self.max_part_images = min(limits.max_batch_size, limits.max_request)
        observer = BatcherMetrics(metrics, model.name, "generator")
        passes = [GeneratorBatches(each, image.value_range, watch) for each in generators.instances]
        name = f"{model.name}'s generator"
        self.batcher: Batcher[Part, ImageSlice] = Batcher(name, passes, limits, observer, generators.num_spare)
        observer.watch(self.batcher)
        self.received_images = ReceivedImages(image, settings.max_decoded_bytes, settings.max_caller_share)
        self.judge: Batcher[DiscriminatorInputs, Verdict] | None = None
        self.feature_dim = 0
        if discriminator is not None:
            observer = BatcherMetrics(metrics, model.name, "discriminator")
            name = f"{model.name}'s discriminator"
            self.judge = Batcher(name, [discriminator.judge_batch], limits, observer)
            self.feature_dim = discriminator.feature_dim
            observer.watch(self.judge)
        self.description = model_message(self, model)

    @property
    def providers(self) -> list[str]:
        """The execution providers that really run the generator."""
        return self.generators.instances[0].providers

    @property
    def num_instances(self) -> int:
        """Copies of the generator, each with passes of its own."""
        return len(self.generators.instances)

    @property
    def parts(self) -> list[Batcher[Any, Any]]:
        return [self.batcher] if self.judge is None else [self.batcher, self.judge]

    def warm_up(self) -> None:
        """Run every copy of the generator once at each power of two up to the largest batch, and at that."""
        sizes = [2**n for n in range(self.max_batch_size.bit_length())] + [self.max_batch_size]
        for generator in self.generators.instances:
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


def load_image_model(model: Model, settings: GanSettings, metrics: GanMetrics) -> ImageModel:
    """Load a model and warm it up; its batchers are not started. Raises ModelError, ProviderError."""
    started = time.monotonic()
    image = _checked(model)
    model.verify_files()
    generators = open_instances(model, image, settings)
    providers = choose_providers(settings.provider)
    discriminator = None
    if model.spec.discriminator is not None:
        discriminator = _open_discriminator(model, image, providers, settings)
    watch = None
    if settings.diversity_every:
        watch = open_watch(
            model,
            image,
            settings.diversity_every,
            settings.diversity_max_per_second,
            metrics.diversity,
            lambda: discriminator_look(_open_discriminator(model, image, providers, settings), image),
        )
    loaded = ImageModel(model, image, generators, discriminator, watch, settings, metrics)
    loaded.warm_up()
    metrics.report_providers(model.name, "generator", loaded.providers)
    metrics.report_runtime(model.name, generators)
    if discriminator is not None:
        metrics.report_providers(model.name, "discriminator", discriminator.providers)
    seconds = time.monotonic() - started
    logger.info("loaded %s in %.1f s: %s (%s)", model.name, seconds, generators.configuration.name, loaded.fingerprint)
    return loaded


def _checked(model: Model) -> ImageSpec:
    spec = model.spec
    if spec.kind != "gan" or spec.modality != "image":
        raise ModelError(f"{model.name}: is a {spec.modality} {spec.kind}, not an image gan")
    if spec.generator is None or spec.image is None or not spec.image.latent_dim:
        raise ModelError(f"{model.name}: model.toml needs generator, image.shape and image.latent_dim")
    return spec.image


def _open_discriminator(
    model: Model, image: ImageSpec, providers: list[Provider], settings: GanSettings
) -> Discriminator:
    assert model.spec.discriminator is not None  # noqa: S101  checked by the caller
    path = model.path(model.spec.discriminator)
    session = open_session(path, providers, settings.threads_per_instance or 1, settings.provider)
    try:
        return Discriminator(session, image)
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
