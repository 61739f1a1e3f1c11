"""From an entry of the model repository to a loaded model: weights, cache, codec and engine, as the settings say."""

import logging
import math
import time
from functools import partial

from runtime.cores import usable_cores
from runtime.loading_thread import in_loading_thread
from runtime.model_worker import ModelWorker
from services.ar.api.description import model_message
from services.ar.api.sequential_model import Codec, SequentialModel
from services.ar.api.text import TextModel
from services.ar.codecs.text_codec import TextCodec
from services.ar.compute.opening import open_computation
from services.ar.compute.runner import Computation, Runner
from services.ar.constraints.compiler import Compilations, Compiler, grammar_memory, token_table
from services.ar.engine.admission import AdmissionLimits
from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.drafting import Drafter, MaskedDrafter, TextDrafter
from services.ar.engine.engine import Engine
from services.ar.engine.scheduler import Scheduler
from services.ar.metrics import ArMetrics, EngineMetrics, WorkMetrics
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.draft_head import DraftHead, read_draft_head
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from services.common.batching.work_thread import WorkThread
from tandem.shared.file_hashes import FileHashes
from tandem.shared.models import Model, ModelError

logger = logging.getLogger(__name__)

# A CPU reads the weights for one token as long as it computes with them for some eight; from there each one counts.
_CPU_DRAFT_ROWS = 8
_MASKED_DRAFT_TOKENS = 3
_NATIVE_WARM_UP_TOKENS = 2
_FEWEST_GROUPED_ROWS = 2
"""A token, and the MASK row of the next."""


async def load_and_start(
    model: Model, settings: ArSettings, metrics: ArMetrics, hashes: FileHashes | None = None
) -> SequentialModel:
    """Load a model in a thread, start it and warm it up. Raises ModelError, ProviderError."""
    loaded = await in_loading_thread(load, model, settings, metrics, hashes or FileHashes())
    await loaded.start()
    return loaded


def load(model: Model, settings: ArSettings, metrics: ArMetrics, hashes: FileHashes) -> SequentialModel:
    """Load a transformer and build what runs it, not started. Raises ModelError, ProviderError."""
    if model.spec.kind != "transformer":
        raise ModelError(f"{model.name}: {model.spec.modality} {model.spec.kind}, not a transformer")
    started = time.monotonic()
    is_image = model.spec.modality == "image"
    hashes.begin(model.weight_files())
    if is_image:
        model.verify_files(hashes.of)  # before others' libraries read some of them
    try:
        checkpoint = open_checkpoint(model.transformer_path())
        codec = _codec(model, checkpoint, settings, metrics)
        # A model of images is small. It leaves the cores to the others: see DECISIONS.md on arithmetic threads.
        num_threads = settings.num_threads or (1 if is_image else usable_cores())
        computation = open_computation(
            checkpoint,
            codec.max_context_tokens,
            num_threads,
            settings,
            _ProgressLog(model.name),
            model.spec.kv_cache_dtype,
            model.spec.dtype,
            _draft_head(model, checkpoint) if settings.speculative_tokens else None,
        )
    finally:  # the files are verified beside what reads them: a damaged one is told as such, whatever that led to
        model.verify_files(hashes.of)
    description = model_message(model, codec, checkpoint.config, computation, num_threads, hashes.of)
    kind = f"{computation.dtype}{', exact' * computation.is_exact}"
    logger.info("loaded %s as %s on %s in %.1f s", model.name, kind, computation.device, time.monotonic() - started)
    # The largest step there is, so that no request is the first to ask for its memory; the kernel has it already.
    num_tokens = _NATIVE_WARM_UP_TOKENS if computation.kernel == "native" else settings.max_batch_tokens
    engine = _engine(computation, codec, checkpoint.config.vocab_size, settings, metrics, model.name)
    if isinstance(codec, TextCodec):
        limits = admission_limits(settings)  # a burst that the engine takes is not refused before it
        bounds = limits.max_open, limits.max_open_of_caller, settings.max_wait_seconds
        texts = WorkThread(f"{model.name}'s texts", *bounds)
        compilations = _compilations(codec, description.vocab_size, settings, metrics, model.name)
        return TextModel(codec, engine, description, num_tokens, texts, compilations, settings.max_batch_tokens)
    from services.ar.api.image import ImageModel  # as all that is about images: a text model does without
    from services.common.diversity.opening import open_watch
    from services.common.images.messages import ReceivedImages

    received = ReceivedImages(codec.image, settings.max_decoded_bytes, settings.max_caller_share)
    every, most = settings.diversity_every, settings.diversity_max_per_second
    watch = open_watch(model, codec.image, every, most, metrics.diversity) if every else None
    return ImageModel(codec, engine, description, num_tokens, received, watch)


def _draft_head(model: Model, checkpoint: Checkpoint) -> DraftHead | None:
    name = model.spec.draft_head
    return None if name is None else read_draft_head(model.path(name), checkpoint.config)


def _codec(model: Model, checkpoint: Checkpoint, settings: ArSettings, metrics: ArMetrics) -> Codec:
    if model.spec.modality == "image":
        from services.ar.codecs.image_networks import load_image_codec

        return load_image_codec(model, checkpoint.config, settings, metrics)
    most = min(settings.max_context_tokens, checkpoint.config.max_context_tokens)
    text_tokens, last = model.spec.text_tokens, checkpoint.config.vocab_size - 1
    if text_tokens is not None and text_tokens.mask_token != last:
        raise ModelError(f"{model.name}: text_tokens.mask_token: expected {last}, the last token of the vocabulary")
    if text_tokens is not None and settings.max_batch_tokens < _FEWEST_GROUPED_ROWS:
        raise ModelError(f"{model.name}: needs max_batch_tokens of at least {_FEWEST_GROUPED_ROWS}")
    codec = TextCodec(checkpoint, most, text_tokens)
    codec.start()
    return codec


def _compilations(
    codec: TextCodec, vocab_size: int, settings: ArSettings, metrics: ArMetrics, name: str
) -> Compilations | None:
    if not codec.eos_token_ids:
        return None  # nothing would end an output that is held to something
    compiler = Compiler(token_table(codec, vocab_size))
    share, wait = settings.max_caller_share, settings.max_wait_seconds
    memory = grammar_memory(settings.max_constraint_bytes, share)
    observer = WorkMetrics(metrics.constraints, (name,), metrics.compilations.labels(name))
    return Compilations(f"{name}'s constraints", compiler, observer, share, wait, memory)


def _engine(
    computation: Computation, codec: Codec, vocab_size: int, settings: ArSettings, metrics: ArMetrics, name: str
) -> Engine:
    pool = BlockPool(computation.num_blocks, settings.block_size)
    chunk_tokens = computation.chunk_tokens
    is_text, is_cpu = isinstance(codec, TextCodec), computation.device == "cpu"
    # A chunk that ends in mid-block leaves nothing to share.
    can_share = chunk_tokens is None or chunk_tokens % settings.block_size == 0
    has_prefixes = settings.prefix_cache and is_text  # an image's prompt is a token
    prefix_cache = PrefixCache(pool, chunk_tokens) if has_prefixes and can_share else None
    max_draft_rows = _CPU_DRAFT_ROWS if is_cpu else settings.max_batch_tokens
    drafter: Drafter | None = None
    if codec.mask_token is not None and settings.speculative_tokens:
        drafter = MaskedDrafter(min(settings.speculative_tokens, _MASKED_DRAFT_TOKENS), max_draft_rows)
    elif is_text and settings.speculative_tokens:
        drafter = TextDrafter(settings.speculative_tokens, max_draft_rows, computation.has_draft_head)
    # What is cut at fixed places may not fit into less, as MASK rows behind a prompt may not; a GPU reads this many
    # tokens in about the time of one.
    is_bounded = is_text and chunk_tokens is None and is_cpu and codec.mask_token is None
    scheduler = Scheduler(
        pool,
        settings.max_num_sequences,
        settings.max_batch_tokens,
        chunk_tokens,
        prefix_cache,
        drafter,
        settings.max_mixed_prefill_tokens if is_bounded else None,
    )
    observer = EngineMetrics(metrics, name, scheduler, pool, prefix_cache, drafter)
    # Threads of an image model keep their priority: its callers wait for a whole image, as the parallel service's do.
    nice = settings.text_nice if is_text and is_cpu else 0
    num_text_tokens = vocab_size if codec.mask_token is None else codec.mask_token
    num_output_tokens = num_text_tokens if isinstance(codec, TextCodec) else codec.num_codes
    runner = Runner(computation.forward, settings.block_size, num_output_tokens, nice)
    return Engine(scheduler, runner, observer, admission_limits(settings))


def admission_limits(settings: ArSettings) -> AdmissionLimits:
    """Return what the engine of each model may hold, as a whole and for each caller."""
    max_running = settings.max_num_sequences
    max_open = max_running + settings.max_queued_sequences
    # A caller that is alone may use every place there is to run.
    max_open_of_caller = max(max_running, math.floor(settings.max_caller_share * max_open))
    return AdmissionLimits(max_running, max_open, max_open_of_caller, settings.max_wait_seconds)


class _ProgressLog:
    """Logs each tenth of a loading that reports its share."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.1

    def __call__(self, share: float) -> None:
        if share >= self._next:
            logger.info("loading %s: %d %%", self._name, round(100 * share))
            self._next += 0.1


class ArWorker(ModelWorker[SequentialModel]):
    """Loads the models named in the settings and owns their engines, batchers and watches."""

    def __init__(self, settings: ArSettings, metrics: ArMetrics, hashes: FileHashes | None = None) -> None:
        load = partial(load_and_start, settings=settings, metrics=metrics, hashes=hashes)
        super().__init__(settings.models_dir, settings.models, load)
