"""A loaded model: weights, cache, codec and the engine that runs them, put together from the settings."""

import asyncio
import logging
import os
import time

import torch

from runtime.models import Model, ModelError
from services.ar.block_pool import BlockPool
from services.ar.engine import Engine
from services.ar.kv_cache import KVCache
from services.ar.metrics import ArMetrics, EngineMetrics
from services.ar.model import Transformer
from services.ar.packed_linear import pack_linears
from services.ar.runner import Runner
from services.ar.sampling_params import SamplingParams
from services.ar.scheduler import Scheduler
from services.ar.sequence import Sequence
from services.ar.settings import ArSettings
from services.ar.text_codec import TextCodec
from services.ar.weights import load_transformer, open_checkpoint
from tandem.ar.v1 import ar_pb2

logger = logging.getLogger(__name__)


class LanguageModel:
    """One entry of the model repository, loaded; `description` is what ListModels says of it."""

    def __init__(
        self,
        model: Model,
        transformer: Transformer,
        num_parameters: int,
        codec: TextCodec,
        engine: Engine,
        eos_token_ids: frozenset[int],
    ) -> None:
        self.name = model.name
        self.codec = codec
        self.engine = engine
        self.eos_token_ids = eos_token_ids
        self.vocab_size = transformer.config.vocab_size
        self.max_context_tokens = len(transformer.cos)
        self.description = ar_pb2.Model(
            name=model.name,
            modality=model.spec.modality,
            licence=model.spec.licence,
            num_parameters=num_parameters,
            max_context_tokens=self.max_context_tokens,
            vocab_size=self.vocab_size,
            device=str(transformer.norm.weight.device),
            dtype=str(transformer.norm.weight.dtype).removeprefix("torch."),
        )

    @property
    def parts(self) -> list[Engine]:
        """What works for the model in the background."""
        return [self.engine]

    async def warm_up(self, num_prompt_tokens: int) -> None:
        """Start the engine and run a prompt of that length through it, and some decode steps."""
        self.engine.start()
        params = SamplingParams(max_tokens=4, ignore_eos=True, temperature=0.0)
        stream = self.engine.submit([Sequence([0] * num_prompt_tokens, params)])
        while not stream.is_finished:
            await stream.get()


def load_language_model(model: Model, settings: ArSettings, metrics: ArMetrics) -> LanguageModel:
    """Load a transformer and build its engine, not started. Raises ModelError."""
    if model.spec.kind != "transformer" or model.spec.modality != "text":
        raise ModelError(f"{model.name}: is a {model.spec.modality} {model.spec.kind}, not a text transformer")
    started = time.monotonic()
    device = _device(settings)
    # Arithmetic threads here, beside those of the engine's thread, would be more than there are cores. OpenMP then
    # sleeps between operations instead of spinning, which costs a decode step 20 ms (measured on 2 cores).
    torch.set_num_threads(1)
    checkpoint = open_checkpoint(model.transformer_path())
    dtype = getattr(torch, settings.dtype)
    transformer = load_transformer(checkpoint, dtype, device, _ProgressLog(model.name))
    num_parameters = sum(parameter.numel() for parameter in transformer.parameters())
    pack_linears(transformer)
    max_context_tokens = min(settings.max_context_tokens, checkpoint.config.max_context_tokens)
    transformer.prepare(max_context_tokens)
    codec = TextCodec(checkpoint, max_context_tokens)
    engine = _engine(transformer, settings, metrics, model.name)
    logger.info("loaded %s as %s on %s in %.1f s", model.name, settings.dtype, device, time.monotonic() - started)
    return LanguageModel(model, transformer, num_parameters, codec, engine, checkpoint.eos_token_ids)


def _device(settings: ArSettings) -> torch.device:
    available = torch.cuda.is_available()
    if settings.device == "cuda" and not available:
        raise ModelError("device: 'cuda' was asked for, but torch finds no CUDA device; run `tandem doctor`")
    return torch.device("cuda" if available and settings.device != "cpu" else "cpu")


def _engine(transformer: Transformer, settings: ArSettings, metrics: ArMetrics, name: str) -> Engine:
    num_blocks = settings.kv_cache_tokens // settings.block_size
    weight = transformer.norm.weight
    cache = KVCache(transformer.config, num_blocks, settings.block_size, weight.dtype, weight.device)
    pool = BlockPool(num_blocks, settings.block_size)
    scheduler = Scheduler(pool, settings.max_num_sequences, settings.max_batch_tokens)
    observer = EngineMetrics(metrics, name, scheduler, pool)
    max_open_sequences = settings.max_num_sequences + settings.max_queued_sequences
    num_threads = settings.num_threads or len(os.sched_getaffinity(0))
    return Engine(scheduler, Runner(transformer, cache, num_threads), observer, max_open_sequences)


class _ProgressLog:
    """Logs each tenth of a loading that is told by share."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.1

    def __call__(self, share: float) -> None:
        if share >= self._next:
            logger.info("loading %s: %d %%", self._name, round(100 * share))
            self._next += 0.1


async def load_and_warm_up(model: Model, settings: ArSettings, metrics: ArMetrics) -> LanguageModel:
    """Load a model in a thread and warm it up. Raises ModelError."""
    loaded = await asyncio.to_thread(load_language_model, model, settings, metrics)
    # The largest step there is, so that no request is the first to ask for its memory.
    await loaded.warm_up(min(settings.max_batch_tokens, loaded.max_context_tokens - 4))
    return loaded
