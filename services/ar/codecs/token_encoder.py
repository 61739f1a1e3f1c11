"""The token encoder: images to their tokens, by an ONNX model. Knows nothing of requests or likelihoods."""

from collections.abc import Sequence

import numpy as np

from services.ar.codecs.token_decoder import Tokens
from services.common.batching.request import Slice
from services.common.finite import split
from services.common.images.encoding import Images
from services.common.model_inputs import describe, main_input
from services.common.runtimes.session import Array, Session
from tandem.shared.errors import ModelFault
from tandem.shared.model_spec import ImageSpec, ImageTokensSpec
from tandem.shared.models import ModelError


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

    def encode_batch(self, batch: Sequence[Slice[Images, Tokens]]) -> list[Tokens | ModelFault]:
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
