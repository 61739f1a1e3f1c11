"""The requests of a seed check, for each sort of model: those whose output must not change, and random other requests.

The output of a probe must depend on its seed alone. The other requests change the batches: they have other prompts,
labels, lengths and sampling settings, and some are cancelled. Independent of the comparison.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tandem.client import AsyncTandemClient, ImageBatch, ParallelModel, SequentialModel
from tandem.measure.prompts import PROMPTS
from tandem.shared.errors import ExpectedError

NUM_TOKENS = 32
SHARE_CANCELLED = 0.25
PIXEL_SIZES = {"uint8": 1, "float32": 4}


@dataclass(frozen=True)
class Output:
    """What one request brought: tokens of a sequential model, raw pixels of an image model."""

    token_ids: tuple[int, ...] = ()
    pixels: bytes = b""
    pixel_size: int = 1
    """Bytes a value."""
    logprobs: tuple[float, ...] = ()
    """Of the tokens, where there are any; compared by their bits too, though the seed does not promise them."""


class Sequential:
    """A sequential model: greedy and sampled continuations of different prompts, or images of different classes with
    their tokens. `kinds` are the names of its probes.
    """

    paradigm = "sequential"

    def __init__(self, model: SequentialModel) -> None:
        self._model = model
        self._is_text = model.modality == "text"
        texts = (f"greedy, {NUM_TOKENS} tokens", f"sampled, {NUM_TOKENS} tokens")
        self.kinds = texts if self._is_text else tuple(PIXEL_SIZES)

    async def probe(self, client: AsyncTandemClient, kind: str, seed: int) -> Output:
        """Send the request of that kind and seed; it is the same one each time."""
        options: Any = {"model": self._model.name, "seed": seed}
        if not self._is_text:
            options |= {"label": seed % self._model.num_classes, "image_encoding": kind}
            completion = await client.complete(**options)
            return _output(completion.images, kind, completion.choices[0].token_ids)
        options |= {"temperature": 0.0 if kind == self.kinds[0] else 1.0, "max_tokens": NUM_TOKENS}
        options |= {"raw": True, "ignore_eos": True, "logprobs": True}
        (choice,) = (await client.complete(self._text(np.random.default_rng(seed), max_parts=4), **options)).choices
        return Output(choice.token_ids, logprobs=tuple(token.logprob for token in choice.logprobs))

    async def send_other(self, client: AsyncTandemClient, dice: np.random.Generator) -> None:
        """Send a random request beside the probes; some are cancelled before they end."""
        options: Any = {
            "model": self._model.name,
            "seed": int(dice.integers(2**32)),
            "temperature": float(dice.choice([0.0, 0.7, 1.3])),
            "top_k": int(dice.choice([0, 5, 50])),
            "top_p": float(dice.choice([0.5, 0.9, 1.0])),
            "repetition_penalty": float(dice.choice([1.0, 1.2])),
            "n": int(dice.integers(1, 3, endpoint=True)),
        }
        if self._is_text:
            options |= {"prompt": self._text(dice, max_parts=16), "raw": True, "logprobs": bool(dice.integers(2))}
        else:
            label = int(dice.integers(self._model.num_classes))
            options |= {"label": label, "partial_images": bool(dice.integers(2))}
        max_tokens = 2 * NUM_TOKENS if self._is_text else self._model.tokens_per_image
        options["max_tokens"] = int(dice.integers(1, max_tokens, endpoint=True))
        chunks_left = int(dice.integers(1, NUM_TOKENS)) if dice.random() < SHARE_CANCELLED else None
        async with client.generate(**options) as generation:
            async for _ in generation:
                if chunks_left is not None:
                    chunks_left -= 1
                    if chunks_left == 0:
                        return

    def _text(self, dice: np.random.Generator, max_parts: int) -> str:
        """Return a prompt of some lines that leaves the context room for an output; no token is less than a byte."""
        parts = dice.choice(PROMPTS, dice.integers(1, max_parts, endpoint=True))
        return "\n".join(parts)[: self._model.max_context_tokens - 2 * NUM_TOKENS - 1]


class Parallel:
    """A parallel model: one to four images a request, their classes drawn from the seed."""

    paradigm, kinds = "parallel", tuple(PIXEL_SIZES)

    def __init__(self, model: ParallelModel) -> None:
        self._model = model

    async def probe(self, client: AsyncTandemClient, kind: str, seed: int) -> Output:
        """Do as `Sequential.probe` does."""
        options: Any = {"model": self._model.name, "seed": seed, "encoding": kind}
        return _output(await client.sample(1 + seed % 4, **options), kind)

    async def send_other(self, client: AsyncTandemClient, dice: np.random.Generator) -> None:
        """Do as `Sequential.send_other` does."""
        count = int(dice.integers(1, 64, endpoint=True))
        leaves = dice.random() < SHARE_CANCELLED
        async for _ in client.sample_stream(
            count,
            model=self._model.name,
            seed=int(dice.integers(2**32)),
            truncation=None if dice.integers(2) else 0.7,
            encoding="float32" if dice.integers(2) else "uint8",
            images_per_message=1 + count // 4,
        ):
            if leaves:
                return


Subject: TypeAlias = Sequential | Parallel


def subject_of(model: SequentialModel | ParallelModel) -> Subject:
    return Parallel(model) if isinstance(model, ParallelModel) else Sequential(model)


def _output(images: ImageBatch | None, kind: str, token_ids: tuple[int, ...] = ()) -> Output:
    if images is None:
        raise ExpectedError("the server sent no image")
    return Output(token_ids, images.data, PIXEL_SIZES[kind])
