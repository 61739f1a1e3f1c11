"""The two ONNX models of a sequential image model: whole grids of tokens to images, and images to tokens.

Opened, warm, a batcher before each. Knows nothing of requests or half images.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from services.ar.codecs.image_codec import MAX_IMAGES, ImageCodec, Tokens
from services.ar.metrics import ArMetrics, WorkMetrics
from services.ar.model.config import ModelConfig
from services.ar.settings import ArSettings
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from services.common.batching.request import Slice
from services.common.images.encoding import Images
from services.common.runtimes import onnx_session
from services.common.runtimes.configuration import Wish
from services.common.runtimes.onnx_session import open_session
from services.common.runtimes.opened import naming, open_model
from services.common.runtimes.session import (
    INTEGERS,
    Array,
    Feed,
    Session,
    channels_last,
    describe,
    finite_parts,
    layout_of,
    main_input,
    split,
    token_input,
)
from tandem.shared.errors import ModelFault
from tandem.shared.model_spec import ImageSpec, ImageTokensSpec
from tandem.shared.models import Model, ModelError
from tandem.shared.step_costs import load_step_costs

MAX_BATCH_SIZE = 8
"""Larger passes are hardly faster, and OpenVINO compiles each size at each start."""
MAX_QUEUED = 4096


class TokenDecoder:
    """One instance of a token decoder; one call at a time. Raises ModelError if it does not fit."""

    def __init__(self, session: Session, image: ImageSpec, tokens: ImageTokensSpec) -> None:
        self._session = session
        self._num_tokens = tokens.num_tokens
        self._input = token_input(session.inputs, tokens.num_tokens)
        self._layout = layout_of(self._run(self._blank(2)), session.outputs, image)

    def feed(self, tokens: Tokens) -> Feed:
        """Return tokens [N, T] as the model wants them."""
        return {self._input.name: tokens.astype(INTEGERS[self._input.type], copy=False)}

    def decode(self, tokens: Tokens) -> Images:
        """Return the images [N, H, W, C] of tokens [N, T], in the model's own range."""
        return channels_last(self._run(tokens), self._layout)

    def run_batch(self, batch: Sequence[Slice[Tokens, Images]]) -> list[Images | ModelFault]:
        """Return the images of each slice, decoded in one pass; ModelFault where a pixel is not finite."""
        images = self.decode(np.concatenate([part.payload[part.start : part.stop] for part in batch]))
        sizes = [part.num_samples for part in batch]
        is_finite = finite_parts(sizes, images)
        return [part if fine else ModelFault() for part, fine in zip(split(images, sizes), is_finite, strict=True)]

    def warm_up(self, count: int) -> None:
        """Decode `count` images, whatever they are."""
        self._run(self._blank(count))

    def _run(self, tokens: Tokens) -> Array:
        return self._session.run(self.feed(tokens), [self._session.outputs[0].name])[0]

    def _blank(self, count: int) -> Tokens:
        return np.zeros((count, self._num_tokens), np.int64)


class TokenEncoder:
    """One instance of a token encoder; one call at a time. Raises ModelError if it does not fit."""

    def __init__(self, session: Session, image: ImageSpec, tokens: ImageTokensSpec) -> None:
        self._session = session
        self._image = image
        self._num_codes = tokens.num_codes
        height, width, channels = image.shape
        if len(session.inputs) != 1:
            raise ModelError(f"expected one input, images, found {describe(session.inputs)}")
        self._input = main_input(session.inputs, ((channels, height, width), (height, width, channels)), "image")
        self._channels_first = self._input.shape[1] == channels
        found = self._run(self._blank(2))
        if found.shape != (2, tokens.num_tokens) or not np.issubdtype(found.dtype, np.integer):
            raise ModelError(f"expected integers [batch, {tokens.num_tokens}], found {describe(session.outputs)}")

    @property
    def providers(self) -> list[str]:
        return self._session.providers

    def encode(self, images: Images) -> Tokens:
        """Return the tokens [N, T] of images [N, H, W, C] in the model's own range. Raises ValueError for no codes."""
        tokens = self._tokens(images)
        if not self._are_codes(tokens):
            raise ValueError(f"the token encoder gave {tokens.min()} to {tokens.max()}, not 0 to {self._num_codes - 1}")
        return tokens

    def run_batch(self, batch: Sequence[Slice[Images, Tokens]]) -> list[Tokens | ModelFault]:
        """Return the tokens of each slice, found in one pass; ModelFault where one is no code of an image.

        A network that computes NaN or infinity gives integers far outside.
        """
        tokens = self._tokens(np.concatenate([part.payload[part.start : part.stop] for part in batch]))
        parts = split(tokens, [part.num_samples for part in batch])
        if self._are_codes(tokens):
            return list(parts)
        return [part if self._are_codes(part) else ModelFault() for part in parts]

    def warm_up(self, count: int) -> None:
        """Encode `count` images, whatever they are."""
        self._run(self._blank(count))

    def _tokens(self, images: Images) -> Tokens:
        return self._run(images).astype(np.int64, copy=False)

    def _are_codes(self, tokens: Tokens) -> bool:
        return bool(tokens.min() >= 0 and tokens.max() < self._num_codes)

    def _run(self, images: Images) -> Array:
        images = images.transpose(0, 3, 1, 2) if self._channels_first else images
        feed = {self._input.name: np.ascontiguousarray(images)}
        return self._session.run(feed, [self._session.outputs[0].name])[0]

    def _blank(self, count: int) -> Images:
        return np.zeros((count, *self._image.shape), np.float32)


def load_image_codec(model: Model, config: ModelConfig, settings: ArSettings, metrics: ArMetrics) -> ImageCodec:
    """Return the codec of an image model, its batchers not started. Raises ModelError, ProviderError."""
    image, tokens = model.spec.image, model.spec.image_tokens
    assert image is not None  # noqa: S101  model.toml has been checked
    assert tokens is not None  # noqa: S101
    _check_fit(model.name, image, tokens, config, settings)
    costs = None if tokens.step_costs is None else load_step_costs(model.path(tokens.step_costs), tokens.num_tokens)
    # A caller that is alone may have as many images encoded as one request may bring.
    share, wait = max(MAX_IMAGES, math.floor(settings.max_caller_share * MAX_QUEUED)), settings.max_wait_seconds
    limits = BatchLimits(MAX_BATCH_SIZE, MAX_QUEUED, max_queued_of_caller=share, max_wait_seconds=wait)

    def batcher(network: TokenDecoder | TokenEncoder, name: str) -> Batcher[Any, Any]:
        """Run a network once at each size of a batch that is a power of two, and put a batcher before it."""
        for doubling in range(MAX_BATCH_SIZE.bit_length()):
            network.warm_up(2**doubling)
        observer = WorkMetrics(metrics.images, (model.name, name))
        return Batcher(f"{model.name}'s token {name}", [network.run_batch], limits, observer)

    def probe(session: Session, count: int) -> Feed:
        some = np.random.default_rng(0).integers(0, tokens.num_codes, (count, tokens.num_tokens))
        return TokenDecoder(session, image, tokens).feed(some)

    provider = settings.device if settings.provider == "auto" else settings.provider
    # One thread, because the transformer computes at the same time.
    fixed = {"num_instances": 1, "threads_per_instance": 1, "max_batch_size": MAX_BATCH_SIZE}
    precision = "auto" if settings.precision == "int8" else settings.precision  # no decoder has an int8 form
    wish = Wish.model_validate({"runtime": settings.runtime, "precision": precision, **fixed})
    opened = open_model(model.path(tokens.decoder), provider, wish, probe, spare=0)
    metrics.runtimes.report_opened(model.name, "decoder", opened)
    decoder = batcher(TokenDecoder(opened.sessions[0], image, tokens), "decoder")
    encoder = None
    if tokens.encoder is not None:
        path = model.path(tokens.encoder)
        with naming(path):
            network = TokenEncoder(open_session(path, provider), image, tokens)
        metrics.runtimes.report_providers(model.name, "encoder", network.providers)
        encoder = batcher(network, "encoder")
    # ONNX Runtime is the encoder's.
    causes = {"decoder": opened.fingerprint, "onnxruntime": onnx_session.version(), "order": tokens.order}
    return ImageCodec(image, tokens, decoder, encoder, causes, costs)


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
