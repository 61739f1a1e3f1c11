"""Between images and tokens: class prompts in, images out, given images to tokens.

Knows the grid of tokens and the batchers of the two ONNX models; no transformer, no protobuf.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from runtime.deadlines import Deadline
from services.common.batching.batcher import Batcher
from services.common.images.encoding import Images
from tandem.shared.errors import InvalidArgument
from tandem.shared.model_spec import ImageSpec, ImageTokensSpec
from tandem.shared.step_costs import StepCosts

Tokens = npt.NDArray[np.int64]  # [N, tokens of an image]

MAX_IMAGES = 1024
"""How many images one request may bring to be encoded."""


class NoText:
    """The text of tokens that are no text."""

    def feed(self, token_id: int) -> str:
        return ""


class ImageCodec:
    """An image is a class token and behind it up to `num_tokens` codes, a cell each, in the model's order."""

    eos_token_ids: frozenset[int] = frozenset()
    """An image ends when it is full."""

    def __init__(
        self,
        image: ImageSpec,
        tokens: ImageTokensSpec,
        decoder: Batcher[Tokens, Images],
        encoder: Batcher[Images, Tokens] | None,
        causes: Mapping[str, object],
        step_costs: StepCosts | None = None,
    ) -> None:
        self.image = image
        self.num_tokens = tokens.num_tokens
        self.num_codes = tokens.num_codes
        self._first_class_token = tokens.first_class_token
        self.mask_token = tokens.mask_token
        self.step_costs = step_costs
        self._cells = np.array(tokens.cells)
        self._grid = tokens.grid
        self._cell = np.ones([-(-size // cells) for size, cells in zip(image.shape, tokens.grid, strict=False)], bool)
        self._decoder = decoder
        self._encoder = encoder
        self.causes = causes
        """What images and their codes depend on besides the files of the model; values that JSON can hold."""

    @property
    def max_context_tokens(self) -> int:
        """The class and a whole image."""
        return 1 + self.num_tokens

    @property
    def num_classes(self) -> int:
        return len(self.image.class_names)

    @property
    def parts(self) -> list[Batcher[Tokens, Images] | Batcher[Images, Tokens]]:
        """What works in the background."""
        return [self._decoder] if self._encoder is None else [self._decoder, self._encoder]

    @property
    def can_encode(self) -> bool:
        """Whether given images can be turned into tokens."""
        return self._encoder is not None

    def class_token(self, label: int) -> int:
        """Return the token that prompts for a class, 0 to num_classes - 1."""
        return self._first_class_token + label

    def check_tokens(self, field: str, token_ids: Sequence[int], max_codes: int) -> None:
        """Raises InvalidArgument unless the tokens are a class and behind it at most `max_codes` codes."""
        first, last = self.class_token(0), self.class_token(self.num_classes - 1)
        if not token_ids or not first <= token_ids[0] <= last:
            raise InvalidArgument(field, list(token_ids[:1]), f"a class token, {first} to {last}, at the beginning")
        if len(token_ids) - 1 > max_codes:
            raise InvalidArgument(field, f"{len(token_ids) - 1} codes", f"at most {max_codes} behind the class token")
        for code in token_ids[1:]:
            if not 0 <= code < self.num_codes:
                raise InvalidArgument(field, code, f"codes 0 to {self.num_codes - 1} behind the class token")

    def decoder(self, prompt_token_ids: list[int]) -> NoText:
        return NoText()

    def token_bytes(self, token_id: int) -> bytes:
        return b""

    async def draw(self, token_lists: Sequence[Sequence[int]], deadline: Deadline, caller: str = "") -> Images:
        """Return the images [N, H, W, C] of lists of tokens, each of 0 to num_tokens codes; `caller` is whose they are.

        Cells without a code yet have the lowest value.
        """
        tokens = np.zeros((len(token_lists), self.num_tokens), np.int64)
        for row, codes in zip(tokens, token_lists, strict=True):
            row[self._cells[: len(codes)]] = codes
        # What was sampled is not refused any more.
        await self._decoder.wait_for_room(len(tokens), caller)
        batched = await self._decoder.submit(tokens, len(tokens), deadline, caller, is_begun=True)
        images = np.concatenate(batched.results)
        for image, codes in zip(images, token_lists, strict=True):
            if len(codes) < self.num_tokens:
                image[self._blank_pixels(len(codes))] = self.image.value_range[0]
        return images

    def _blank_pixels(self, num_codes: int) -> npt.NDArray[np.bool_]:
        """Return [H, W]: which pixels are in cells that the first `num_codes` codes do not cover."""
        is_blank = np.ones(self.num_tokens, bool)
        is_blank[self._cells[:num_codes]] = False
        height, width, _ = self.image.shape
        return np.kron(is_blank.reshape(self._grid), self._cell)[:height, :width]

    async def encode(self, images: Images, deadline: Deadline, caller: str = "") -> list[list[int]]:
        """Return the num_tokens codes of each of images [N, H, W, C]; only if `can_encode`.

        Raises ResourceExhausted if they cannot be encoded in time; `caller` is whose they are.
        """
        assert self._encoder is not None  # noqa: S101
        batched = await self._encoder.submit(images, len(images), deadline, caller)
        return [row[self._cells].tolist() for tokens in batched.results for row in tokens]
