"""The requests of a seed check, for each sort of model: those whose output must not change, and random other requests.

The output of a probe must depend on its seed alone. The other requests change the batches: they have other prompts,
labels, lengths and sampling settings, and some are cancelled. Independent of the comparison.
"""

from typing import Any, Generic, TypeVar, cast

import numpy as np

from tandem.cli.models.seeds.agreement import Output
from tandem.client import (
    AsyncTandemClient,
    GenerateOptions,
    ImageBatch,
    ParallelModel,
    Prompt,
    SequentialModel,
)
from tandem.client.options import Encoding
from tandem.measure.prompts import PROMPTS
from tandem.shared.errors import ExpectedError

NUM_TOKENS = 32
SHARE_CANCELLED = 0.25
Served = TypeVar("Served", SequentialModel, ParallelModel)

PIXEL_SIZES: dict[Encoding, int] = {"uint8": 1, "float32": 4}


class Subject(Generic[Served]):
    """A model under test; `kinds` are the names of its probes."""

    paradigm = "sequential"
    kinds: tuple[str, ...] = tuple(PIXEL_SIZES)

    def __init__(self, model: Served) -> None:
        self.model: Served = model

    async def probe(self, client: AsyncTandemClient, kind: str, seed: int) -> Output:
        """Send the request of that kind and seed; it is the same one each time."""
        raise NotImplementedError

    async def send_other(self, client: AsyncTandemClient, dice: np.random.Generator) -> None:
        """Send a random request beside the probes; some are cancelled before they end."""
        raise NotImplementedError


class TextSubject(Subject[SequentialModel]):
    """A language model: greedy and sampled continuations of different prompts."""

    kinds = (f"greedy, {NUM_TOKENS} tokens", f"sampled, {NUM_TOKENS} tokens")

    async def probe(self, client: AsyncTandemClient, kind: str, seed: int) -> Output:
        temperature = 0.0 if kind == self.kinds[0] else 1.0
        prompt = self._text(np.random.default_rng(seed), max_parts=4)
        completion = await client.complete(
            prompt,
            raw=True,
            model=self.model.name,
            seed=seed,
            temperature=temperature,
            max_tokens=NUM_TOKENS,
            ignore_eos=True,
            logprobs=True,
        )
        (choice,) = completion.choices
        return Output(choice.token_ids, logprobs=tuple(token.logprob for token in choice.logprobs))

    async def send_other(self, client: AsyncTandemClient, dice: np.random.Generator) -> None:
        options = _random_sampling(dice, 2 * NUM_TOKENS) | {"model": self.model.name}
        options |= {"logprobs": bool(dice.integers(2)), "raw": True}
        await _generate_and_leave(client, self._text(dice, max_parts=16), cast(GenerateOptions, options), dice)

    def _text(self, dice: np.random.Generator, max_parts: int) -> str:
        """Return a prompt of some lines that leaves the context room for an output; no token is less than a byte."""
        parts = dice.choice(PROMPTS, dice.integers(1, max_parts, endpoint=True))
        return "\n".join(parts)[: self.model.max_context_tokens - 2 * NUM_TOKENS - 1]


class SequentialImageSubject(Subject[SequentialModel]):
    """A sequential image model: images of different classes, their tokens compared as well."""

    async def probe(self, client: AsyncTandemClient, kind: str, seed: int) -> Output:
        encoding = cast(Encoding, kind)
        label = seed % self.model.num_classes
        completion = await client.complete(label=label, model=self.model.name, seed=seed, image_encoding=encoding)
        return _output(completion.images, encoding, completion.choices[0].token_ids)

    async def send_other(self, client: AsyncTandemClient, dice: np.random.Generator) -> None:
        options = _random_sampling(dice, self.model.tokens_per_image) | {"model": self.model.name}
        options["partial_images"] = bool(dice.integers(2))
        options["label"] = int(dice.integers(self.model.num_classes))
        await _generate_and_leave(client, None, cast(GenerateOptions, options), dice)


class ImageSubject(Subject[ParallelModel]):
    """A parallel model: one to four images a request, their classes drawn from the seed."""

    paradigm = "parallel"

    async def probe(self, client: AsyncTandemClient, kind: str, seed: int) -> Output:
        encoding = cast(Encoding, kind)
        images = await client.sample(1 + seed % 4, model=self.model.name, seed=seed, encoding=encoding)
        return _output(images, encoding)

    async def send_other(self, client: AsyncTandemClient, dice: np.random.Generator) -> None:
        count = int(dice.integers(1, 64, endpoint=True))
        leaves = dice.random() < SHARE_CANCELLED
        async for _ in client.sample_stream(
            count,
            model=self.model.name,
            seed=int(dice.integers(2**32)),
            truncation=None if dice.integers(2) else 0.7,
            encoding="float32" if dice.integers(2) else "uint8",
            images_per_message=1 + count // 4,
        ):
            if leaves:
                return


def subject_of(model: SequentialModel | ParallelModel) -> Subject[Any]:
    if isinstance(model, ParallelModel):
        return ImageSubject(model)
    return SequentialImageSubject(model) if model.modality == "image" else TextSubject(model)


def _output(images: ImageBatch | None, encoding: Encoding, token_ids: tuple[int, ...] = ()) -> Output:
    if images is None:
        raise ExpectedError("the server sent no image")
    return Output(token_ids, images.data, PIXEL_SIZES[encoding])


def _random_sampling(dice: np.random.Generator, max_tokens: int) -> dict[str, object]:
    return {
        "seed": int(dice.integers(2**32)),
        "max_tokens": int(dice.integers(1, max_tokens, endpoint=True)),
        "temperature": float(dice.choice([0.0, 0.7, 1.3])),
        "top_k": int(dice.choice([0, 5, 50])),
        "top_p": float(dice.choice([0.5, 0.9, 1.0])),
        "repetition_penalty": float(dice.choice([1.0, 1.2])),
        "n": int(dice.integers(1, 3, endpoint=True)),
    }


async def _generate_and_leave(
    client: AsyncTandemClient, prompt: Prompt | None, options: GenerateOptions, dice: np.random.Generator
) -> None:
    """Take all chunks, or leave after some: what is left of the request is then cancelled."""
    chunks_left = int(dice.integers(1, NUM_TOKENS)) if dice.random() < SHARE_CANCELLED else None
    async with client.generate(prompt, **options) as generation:
        async for _ in generation:
            if chunks_left is not None:
                chunks_left -= 1
                if chunks_left == 0:
                    return
