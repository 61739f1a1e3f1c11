"""The two ONNX models of a sequential image model, token decoder and encoder: opened, warm, a batcher before each."""

import math
from pathlib import Path
from typing import TypeVar

from services.ar.codecs.image_codec import MAX_IMAGES, ImageCodec
from services.ar.codecs.token_decoder import TokenDecoder, TokenEncoder
from services.ar.metrics import ArMetrics, NetworkMetrics
from services.ar.model.config import ModelConfig
from services.ar.settings import ArSettings
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from services.common.runtimes.configuration import ProviderChoice
from services.common.runtimes.onnx_session import choose_providers, open_session
from tandem.shared.model_spec import ImageSpec, ImageTokensSpec
from tandem.shared.models import Model, ModelError
from tandem.shared.step_costs import load_step_costs

Network = TypeVar("Network", TokenDecoder, TokenEncoder)

MAX_BATCH_SIZE = 64
MAX_QUEUED = 4096
NUM_THREADS = 1


def load_image_codec(model: Model, config: ModelConfig, settings: ArSettings, metrics: ArMetrics) -> ImageCodec:
    """Return the codec of an image model, its batchers not started. Raises ModelError, ProviderError."""
    image, tokens = model.spec.image, model.spec.image_tokens
    assert image is not None  # noqa: S101  model.toml has been checked
    assert tokens is not None  # noqa: S101
    _check_fit(model.name, image, tokens, config, settings)
    costs = None if tokens.step_costs is None else load_step_costs(model.path(tokens.step_costs), tokens.num_tokens)
    limits = _limits(settings)
    decoder = _open(TokenDecoder, model.path(tokens.decoder), image, tokens, settings.device)
    observer = NetworkMetrics(metrics, model.name, "decoder", decoder.providers)
    decoders = Batcher(f"{model.name}'s token decoder", [decoder.decode_batch], limits, observer)
    if tokens.encoder is None:
        return ImageCodec(image, tokens, decoders, None, costs)
    encoder = _open(TokenEncoder, model.path(tokens.encoder), image, tokens, settings.device)
    observer = NetworkMetrics(metrics, model.name, "encoder", encoder.providers)
    encoders = Batcher(f"{model.name}'s token encoder", [encoder.encode_batch], limits, observer)
    return ImageCodec(image, tokens, decoders, encoders, costs)


def _limits(settings: ArSettings) -> BatchLimits:
    # A caller that is alone may have as many images encoded as one request may bring.
    max_queued_of_caller = max(MAX_IMAGES, math.floor(settings.max_caller_share * MAX_QUEUED))
    return BatchLimits(
        MAX_BATCH_SIZE,
        MAX_QUEUED,
        max_queued_of_caller=max_queued_of_caller,
        max_wait_seconds=settings.max_wait_seconds,
    )


def _check_fit(name: str, image: ImageSpec, tokens: ImageTokensSpec, config: ModelConfig, settings: ArSettings) -> None:
    """Raises ModelError if the transformer, or what the settings leave of it, is too small for an image."""
    vocab_size = tokens.vocab_size(len(image.class_names))
    if config.vocab_size < vocab_size:
        raise ModelError(f"{name}: codes and classes need a vocab_size of {vocab_size}, it is {config.vocab_size}")
    # The last token of an image is never fed back; its MASK row is.
    if config.max_context_tokens < tokens.num_tokens + (tokens.mask_token is not None):
        raise ModelError(f"{name}: {tokens.num_tokens} tokens an image, but a context of {config.max_context_tokens}")
    if tokens.mask_token is not None and settings.max_batch_tokens < 1 + tokens.num_tokens:
        wanted = f"{1 + tokens.num_tokens}, an image generated in one step"
        raise ModelError(f"{name}: max_batch_tokens is {settings.max_batch_tokens}, less than {wanted}")
    if settings.max_context_tokens < 1 + tokens.num_tokens:
        wanted = f"{1 + tokens.num_tokens}, a class and an image"
        raise ModelError(f"{name}: max_context_tokens is {settings.max_context_tokens}, less than {wanted}")


def _open(
    network: type[Network], path: Path, image: ImageSpec, tokens: ImageTokensSpec, choice: ProviderChoice
) -> Network:
    session = open_session(path, choose_providers(choice), NUM_THREADS, choice)
    try:
        opened = network(session, image, tokens)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    size = 1
    while size <= MAX_BATCH_SIZE:
        opened.warm_up(size)
        size *= 2
    return opened
