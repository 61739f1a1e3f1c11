"""The loaded models of a process: of each its networks and the batchers before them, put together from the settings."""

import logging
import math
import time
from dataclasses import replace
from functools import partial
from typing import Any

from runtime.loading_thread import in_loading_thread
from runtime.model_worker import ModelWorker
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from services.common.diversity.opening import open_watch
from services.common.diversity.watch import DiversityWatch
from services.common.images.messages import ReceivedImages
from services.common.runtimes.configuration import Wish
from services.common.runtimes.onnx_session import open_session
from services.common.runtimes.opened import Int8File, OpenModel, naming, open_model
from services.common.runtimes.session import Feed, Session
from services.gan.discriminator import Discriminator, DiscriminatorInputs, Verdict
from services.gan.generator import Generator, blank, probe
from services.gan.generator_batch import GeneratorBatches, ImageSlice
from services.gan.image_request import Part
from services.gan.metrics import BatcherMetrics, GanMetrics
from services.gan.settings import GanSettings
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import Model, ModelError

logger = logging.getLogger(__name__)

# More images a pass cost a CPU about as much an image; and a burst of replies leaves cores without work. On a GPU an
# image costs the less the more of them there are in a pass.
_PREFERRED_ON_CPU = 16


class ImageModel:
    """One entry of the model repository, loaded: `entry`, which `opened` runs."""

    def __init__(
        self,
        entry: Model,
        image: ImageSpec,
        opened: OpenModel,
        discriminator: Discriminator | None,
        watch: DiversityWatch | None,
        settings: GanSettings,
        metrics: GanMetrics,
    ) -> None:
        self.name = entry.name
        self.entry = entry
        self.image = image
        self.watch = watch
        self.max_batch_size = settings.max_batch_size
        self.max_reply_bytes = settings.max_reply_bytes
        self.opened = opened
        self.fingerprint = opened.fingerprint
        """The short name of all that the images' bits depend on besides the request."""
        self.generators = [Generator(session, image) for session in opened.sessions]
        preferred = None if opened.calibration is None else _PREFERRED_ON_CPU
        limits = replace(batch_limits(settings), preferred_batch_size=preferred)
        self.max_part_images = min(limits.max_batch_size, limits.max_request)
        observer = BatcherMetrics(metrics, entry.name, "generator")
        passes = [GeneratorBatches(generator, image.value_range, watch) for generator in self.generators]
        name = f"{entry.name}'s generator"
        self.batcher: Batcher[Part, ImageSlice] = Batcher(name, passes, limits, observer, opened.num_spare)
        observer.watch(self.batcher)
        self.received_images = ReceivedImages(image, settings.max_decoded_bytes, settings.max_caller_share)
        self.judge: Batcher[DiscriminatorInputs, Verdict] | None = None
        self.feature_dim = 0
        if discriminator is not None:
            observer = BatcherMetrics(metrics, entry.name, "discriminator")
            name = f"{entry.name}'s discriminator"
            self.judge = Batcher(name, [discriminator.judge_batch], limits, observer)
            self.feature_dim = discriminator.feature_dim
            observer.watch(self.judge)

    @property
    def providers(self) -> list[str]:
        """The execution providers that really run the generator."""
        return self.opened.sessions[0].providers

    @property
    def num_instances(self) -> int:
        """Copies of the generator, each with passes of its own."""
        return len(self.generators)

    @property
    def parts(self) -> list[Batcher[Any, Any]]:
        return [self.batcher] if self.judge is None else [self.batcher, self.judge]

    def warm_up(self) -> None:
        """Run every copy of the generator once at each power of two up to the largest batch, and at that."""
        sizes = [2**n for n in range(self.max_batch_size.bit_length())] + [self.max_batch_size]
        for generator in self.generators:
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
    image = _check_spec(model)
    model.verify_files()
    opened = open_generator(model, image, settings)
    discriminator = None
    if model.spec.discriminator is not None:
        discriminator = _open_discriminator(model, image, settings)
    watch = None
    if settings.diversity_every:
        watch = open_watch(
            model,
            image,
            settings.diversity_every,
            settings.diversity_max_per_second,
            metrics.diversity,
            lambda: _open_discriminator(model, image, settings).look,
        )
    loaded = ImageModel(model, image, opened, discriminator, watch, settings, metrics)
    loaded.warm_up()
    metrics.runtimes.report_opened(model.name, "generator", opened)
    if discriminator is not None:
        metrics.runtimes.report_providers(model.name, "discriminator", discriminator.providers)
    seconds = time.monotonic() - started
    logger.info("loaded %s in %.1f s: %s (%s)", model.name, seconds, opened.configuration.name, loaded.fingerprint)
    return loaded


def _check_spec(model: Model) -> ImageSpec:
    spec = model.spec
    if spec.kind != "gan" or spec.modality != "image":
        raise ModelError(f"{model.name}: is a {spec.modality} {spec.kind}, not an image gan")
    if spec.generator is None or spec.image is None or not spec.image.latent_dim:
        raise ModelError(f"{model.name}: model.toml needs generator, image.shape and image.latent_dim")
    return spec.image


def open_generator(model: Model, spec: ImageSpec, settings: GanSettings) -> OpenModel:
    """Open a model's generator, which draws `spec`. Raises ModelError, which names the file, or ProviderError."""
    if model.spec.generator is None:
        raise ModelError(f"{model.name}: has no generator")
    wish = Wish.model_validate({name: getattr(settings, name) for name in Wish.model_fields})
    int8 = model.spec.int8
    form = None if int8 is None else Int8File(model.path(int8.generator), int8.rms_difference)

    def probe_for(session: Session, count: int) -> Feed:
        return Generator(session, spec).feed(probe(spec, count))

    return open_model(model.path(model.spec.generator), settings.provider, wish, probe_for, form)


def _open_discriminator(model: Model, image: ImageSpec, settings: GanSettings) -> Discriminator:
    assert model.spec.discriminator is not None  # noqa: S101  checked by the caller
    path = model.path(model.spec.discriminator)
    with naming(path):
        return Discriminator(open_session(path, settings.provider, settings.threads_per_instance or 1), image)


async def load_and_start(model: Model, settings: GanSettings, metrics: GanMetrics) -> ImageModel:
    """Load a model in a thread, warm it up, start its batchers and its watch. Raises ModelError, ProviderError."""
    loaded = await in_loading_thread(load_image_model, model, settings, metrics)
    for batcher in loaded.parts:
        batcher.start()
    if loaded.watch is not None:
        loaded.watch.start()
    return loaded


class GanWorker(ModelWorker[ImageModel]):
    """Loads the models named in the settings and owns their batchers and watches."""

    def __init__(self, settings: GanSettings, metrics: GanMetrics) -> None:
        load = partial(load_and_start, settings=settings, metrics=metrics)
        super().__init__(settings.models_dir, settings.models, load)
