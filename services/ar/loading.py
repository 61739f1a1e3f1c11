"""From an entry of the model repository to a loaded model: weights, cache, codec and engine, as the settings say."""

import logging
import math
import time

import torch

from runtime.cores import usable_cores
from runtime.loading_thread import in_loading_thread
from runtime.models import Model, ModelError
from services.ar.admission import AdmissionLimits
from services.ar.block_pool import BlockPool
from services.ar.checkpoint import Checkpoint
from services.ar.computation import Computation, open_computation
from services.ar.drafter import Drafter
from services.ar.engine import Engine
from services.ar.fingerprint import model_fingerprint
from services.ar.image_codec import ImageCodec
from services.ar.image_networks import load_image_codec
from services.ar.metrics import ArMetrics, EngineMetrics
from services.ar.model_config import ModelConfig
from services.ar.prefix_cache import PrefixCache
from services.ar.runner import Runner
from services.ar.scheduler import Scheduler
from services.ar.sequential_model import Codec, SequentialModel
from services.ar.settings import ArSettings
from services.ar.text_codec import TextCodec
from services.ar.weights import open_checkpoint, skeleton
from services.common.diversity import DiversityWatch
from services.common.quality_watch import open_watch
from tandem.ar.v1 import ar_pb2

logger = logging.getLogger(__name__)

# A CPU reads the weights for one token as long as it computes with them for some eight; from there each one counts.
_CPU_DRAFT_ROWS = 8


async def load_and_start(model: Model, settings: ArSettings, metrics: ArMetrics) -> SequentialModel:
    """Load a model in a thread, start it and warm it up. Raises ModelError, ProviderError."""
    loaded = await in_loading_thread(load, model, settings, metrics)
    # The largest step there is, so that no request is the first to ask for its memory.
    await loaded.start(settings.max_batch_tokens)
    return loaded


def load(model: Model, settings: ArSettings, metrics: ArMetrics) -> SequentialModel:
    """Load a transformer and build what runs it, not started. Raises ModelError, ProviderError."""
    if model.spec.kind != "transformer":
        raise ModelError(f"{model.name}: {model.spec.modality} {model.spec.kind}, not a transformer")
    started = time.monotonic()
    model.verify_files()
    # Arithmetic threads here, beside those of the engine's thread, would be more than there are cores. OpenMP then
    # sleeps between operations instead of spinning, which costs a decode step 20 ms (measured on 2 cores).
    torch.set_num_threads(1)
    checkpoint = open_checkpoint(model.transformer_path())
    codec = _codec(model, checkpoint, settings, metrics)
    is_image = isinstance(codec, ImageCodec)
    # A model of pictures is small. It leaves the cores to the others: see DECISIONS.md on arithmetic threads.
    num_threads = settings.num_threads or (1 if is_image else usable_cores())
    report = _ProgressLog(model.name)
    computation = open_computation(checkpoint, codec.max_context_tokens, num_threads, settings, report)
    num_output_tokens = codec.num_codes if isinstance(codec, ImageCodec) else checkpoint.config.vocab_size
    description = _description(model, codec, checkpoint.config, computation)
    engine = _engine(computation, num_output_tokens, not is_image, settings, metrics, model.name)
    kind = f"{computation.dtype}{', exact' * computation.is_exact}"
    logger.info("loaded %s as %s on %s in %.1f s", model.name, kind, computation.device, time.monotonic() - started)
    return SequentialModel(codec, engine, num_output_tokens, description, _watch(model, settings, metrics))


def _watch(model: Model, settings: ArSettings, metrics: ArMetrics) -> DiversityWatch | None:
    if model.spec.image is None or not settings.diversity_every:
        return None
    return open_watch(model, model.spec.image, settings.diversity_every, metrics.diversity)


def _codec(model: Model, checkpoint: Checkpoint, settings: ArSettings, metrics: ArMetrics) -> Codec:
    if model.spec.modality == "image":
        return load_image_codec(model, checkpoint.config, settings, metrics)
    return TextCodec(checkpoint, min(settings.max_context_tokens, checkpoint.config.max_context_tokens))


def _description(model: Model, codec: Codec, config: ModelConfig, computation: Computation) -> ar_pb2.Model:
    description = ar_pb2.Model(
        name=model.name,
        modality=model.spec.modality,
        licence=model.spec.licence,
        num_parameters=sum(parameter.numel() for parameter in skeleton(config).parameters()),
        max_context_tokens=codec.max_context_tokens,
        vocab_size=config.vocab_size,
        device=computation.device,
        dtype=computation.dtype,
        fingerprint=model_fingerprint(model, computation),
    )
    if isinstance(codec, ImageCodec):
        description.num_classes = codec.num_classes
        description.class_names.extend(codec.image.class_names)
        description.image_shape.extend(codec.image.shape)
        description.value_range.extend(codec.image.value_range)
        description.tokens_per_image = codec.num_tokens
        description.can_score_images = codec.can_encode
    return description


def _engine(
    computation: Computation,
    num_output_tokens: int,
    is_text: bool,
    settings: ArSettings,
    metrics: ArMetrics,
    name: str,
) -> Engine:
    pool = BlockPool(computation.num_blocks, settings.block_size)
    chunk_tokens = computation.chunk_tokens
    # A chunk that ends in mid-block leaves nothing to share.
    can_share = chunk_tokens is None or chunk_tokens % settings.block_size == 0
    has_prefixes = settings.prefix_cache and is_text  # an image's prompt is a token
    prefix_cache = PrefixCache(pool, chunk_tokens) if has_prefixes and can_share else None
    max_draft_rows = _CPU_DRAFT_ROWS if computation.device == "cpu" else settings.max_batch_tokens
    drafter = Drafter(settings.speculative_tokens, max_draft_rows) if settings.speculative_tokens and is_text else None
    scheduler = Scheduler(
        pool, settings.max_num_sequences, settings.max_batch_tokens, chunk_tokens, prefix_cache, drafter
    )
    observer = EngineMetrics(metrics, name, scheduler, pool, prefix_cache, drafter)
    runner = Runner(computation.forward, settings.block_size, num_output_tokens)
    return Engine(scheduler, runner, observer, admission_limits(settings))


def admission_limits(settings: ArSettings) -> AdmissionLimits:
    """Return what the engine of each model may hold, as a whole and for each caller."""
    max_running = settings.max_num_sequences
    max_open = max_running + settings.max_queued_sequences
    # A caller that is alone may use every place there is to run.
    max_open_of_caller = max(max_running, math.floor(settings.max_caller_share * max_open))
    return AdmissionLimits(max_running, max_open, max_open_of_caller, settings.max_wait_seconds)


class _ProgressLog:
    """Logs each tenth of a loading that is told by share."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.1

    def __call__(self, share: float) -> None:
        if share >= self._next:
            logger.info("loading %s: %d %%", self._name, round(100 * share))
            self._next += 0.1
