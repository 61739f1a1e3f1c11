"""Between images and tokens: class prompts in, pictures out, given images to tokens.

Knows the grid of tokens and the batchers of the two ONNX models; no transformer, no protobuf.
"""

from collections.abc import Sequence

import numpy as np

from runtime.deadlines import Deadline
from runtime.errors import InvalidArgument
from runtime.models import ImageSpec, ImageTokensSpec
from services.ar.token_decoder import Tokens
from services.common.batcher import Batcher
from services.common.images import Images


class NoText:
    """The text of tokens that are no text."""

    def feed(self, token_id: int) -> str:
        return ""


class ImageCodec:
    """A picture is a class token and behind it up to `num_tokens` codes, one a cell of the grid, row by row."""

    eos_token_ids: frozenset[int] = frozenset()
    """A picture ends when it is full."""

    def __init__(
        self,
        image: ImageSpec,
        tokens: ImageTokensSpec,
        decoder: Batcher[Tokens, Images],
        encoder: Batcher[Images, Tokens] | None,
    ) -> None:
        self.image = image
        self.num_tokens = tokens.num_tokens
        self.num_codes = tokens.num_codes
        self._first_class_token = tokens.first_class_token
        self._num_columns = tokens.grid[1]
        self._cell = image.shape[0] // tokens.grid[0], image.shape[1] // tokens.grid[1]  # pixels
        self._decoder = decoder
        self._encoder = encoder

    @property
    def max_context_tokens(self) -> int:
        """The class and a whole picture."""
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

    async def draw(self, pictures: Sequence[Sequence[int]], deadline: Deadline, caller: str = "") -> Images:
        """Return the images [N, H, W, C] of pictures, each of 0 to num_tokens codes; `caller` is whose they are.

        Cells without a code yet have the lowest value.
        """
        tokens = np.zeros((len(pictures), self.num_tokens), np.int64)
        for row, codes in zip(tokens, pictures, strict=True):
            row[: len(codes)] = codes
        # What was sampled is not refused any more.
        await self._decoder.wait_for_room(len(tokens), caller)
        batched = await self._decoder.submit(tokens, len(tokens), deadline, caller, is_begun=True)
        images = np.concatenate(batched.results)
        for image, codes in zip(images, pictures, strict=True):
            self._blank(image, len(codes))
        return images

    def _blank(self, image: Images, num_codes: int) -> None:
        """Blank the cells of image [H, W, C] from number `num_codes` on."""
        height, width = self._cell
        row, column = divmod(num_codes, self._num_columns)
        lowest = self.image.value_range[0]
        image[row * height : (row + 1) * height, column * width :] = lowest
        image[(row + 1) * height :] = lowest

    async def encode(self, images: Images, deadline: Deadline, caller: str = "") -> list[list[int]]:
        """Return the num_tokens codes of each of images [N, H, W, C]; only if `can_encode`.

        Raises ResourceExhausted if they cannot be encoded in time; `caller` is whose they are.
        """
        assert self._encoder is not None  # noqa: S101
        batched = await self._encoder.submit(images, len(images), deadline, caller)
        return [row.tolist() for tokens in batched.results for row in tokens]
