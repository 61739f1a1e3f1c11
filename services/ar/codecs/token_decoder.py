"""The token decoder: whole grids of tokens to images, by an ONNX model. Knows nothing of requests or half images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.common.batching.request import Slice
from services.common.images.encoding import Images
from services.common.runtimes.session import (
    INTEGERS,
    Array,
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
from tandem.shared.models import ModelError

Tokens = npt.NDArray[np.int64]  # [N, tokens of an image]


class TokenDecoder:
    """One instance of a token decoder; one call at a time. Raises ModelError if it does not fit."""

    def __init__(self, session: Session, image: ImageSpec, tokens: ImageTokensSpec) -> None:
        self._session = session
        self._num_tokens = tokens.num_tokens
        self._input = token_input(session.inputs, tokens.num_tokens)
        self._layout = layout_of(self._run(self._blank(2)), session.outputs, image)

    @property
    def providers(self) -> list[str]:
        return self._session.providers

    def decode(self, tokens: Tokens) -> Images:
        """Return the images [N, H, W, C] of tokens [N, T], in the model's own range."""
        return channels_last(self._run(tokens), self._layout)

    def decode_batch(self, batch: Sequence[Slice[Tokens, Images]]) -> list[Images | ModelFault]:
        """Return the images of each slice, decoded in one pass; ModelFault where a pixel is not finite."""
        images = self.decode(np.concatenate([part.payload[part.start : part.stop] for part in batch]))
        sizes = [part.num_samples for part in batch]
        is_finite = finite_parts(sizes, images)
        return [part if fine else ModelFault() for part, fine in zip(split(images, sizes), is_finite, strict=True)]

    def warm_up(self, count: int) -> None:
        """Decode `count` images, whatever they are."""
        self._run(self._blank(count))

    def _run(self, tokens: Tokens) -> Array:
        feed = {self._input.name: tokens.astype(INTEGERS[self._input.type], copy=False)}
        return self._session.run(feed, [self._session.outputs[0].name])[0]

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
