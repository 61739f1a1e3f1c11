"""Images of one class after another, drawn by a model of the repository in this process, as its service draws them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
from rich.progress import track

from runtime.deadlines import Deadline
from runtime.metrics import new_registry
from services.ar.api.sequential_model import SequentialModel
from services.ar.codecs.image_codec import ImageCodec, Tokens
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.loading import load_and_start
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from services.common.diversity.watch import Look
from services.common.diversity.windows import Features
from services.common.images.encoding import Images
from services.common.runtimes.onnx_session import choose_providers, open_session
from services.gan.generator import Generator, Latents
from services.gan.latents import draw_latents
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import Model, ModelError

BATCH_SIZE = 50
SEED = 7
"""Of what trainings draw: not that of an evaluation."""


def features_by_class(
    model: Model, image: ImageSpec, look: Look, *, num_images: int, seed: int, truncation: float | None = None
) -> list[Features]:
    """Return what `look` sees of `num_images` images of each class: [num_images, F], one array a class; with a
    truncation of a parallel model's.

    Raises ModelError, ProviderError.
    """
    if model.spec.kind == "transformer":
        return asyncio.run(_sequential(model, image, look, num_images=num_images, seed=seed))
    if model.spec.generator is None:
        raise ModelError(f"{model.name}: makes no images")
    session = open_session(model.path(model.spec.generator), choose_providers("cpu"), 1, "cpu")
    generator = Generator(session, image)
    features = []
    for label in track(range(max(1, len(image.class_names))), "measuring"):
        labels = np.full(BATCH_SIZE, label)
        parts = _parallel(generator, image, label, num_images=num_images, seed=seed, truncation=truncation)
        features.append(np.concatenate([look(part, labels[: len(part)]) for part in parts]))
    return features


def _parallel(
    generator: Generator, image: ImageSpec, label: int, *, num_images: int, seed: int, truncation: float | None
) -> Iterator[Images]:
    for start in range(0, num_images, BATCH_SIZE):
        count = min(BATCH_SIZE, num_images - start)
        vectors = draw_latents(seed, label * num_images + start, count, image.latent_dim, truncation)
        yield generator.draw(Latents(vectors, np.full(count, label) if image.class_names else None))


async def _sequential(model: Model, image: ImageSpec, look: Look, *, num_images: int, seed: int) -> list[Features]:
    loaded = await _start(model)
    features = []
    codec = loaded.codec
    assert isinstance(codec, ImageCodec)
    for label in track(range(len(image.class_names)), "measuring"):
        labels = np.full(BATCH_SIZE, label)
        parts = _one_after_another(loaded, codec, label, num_images=num_images, seed=seed)
        images = [await codec.draw(part, Deadline.after(None)) async for part in parts]
        features.append(np.concatenate([look(part, labels[: len(part)]) for part in images]))
    for part in loaded.parts:
        await part.stop()
    return features


def drawn_tokens(model: Model, num_images: int, folder: Path) -> Tokens:
    """Return the tokens [C, num_images, T], cell by cell, of images of each class that a sequential model draws; kept
    in `folder`, which a training goes on with. Raises ModelError.
    """
    path = folder / "drawn.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, _tokens_by_class(model, num_images, SEED))
    kept: Tokens = np.load(path)
    return kept


def _tokens_by_class(model: Model, num_images: int, seed: int) -> Tokens:
    if model.spec.image_tokens is None:
        raise ModelError(f"{model.name}: has no image tokens")
    drawn = asyncio.run(_tokens(model, num_images, seed))
    tokens = np.empty_like(drawn)
    tokens[..., list(model.spec.image_tokens.cells)] = drawn
    return tokens


async def _tokens(model: Model, num_images: int, seed: int) -> Tokens:
    loaded = await _start(model)
    codec = loaded.codec
    assert isinstance(codec, ImageCodec)
    found = [
        [
            row
            async for part in _one_after_another(loaded, codec, label, num_images=num_images, seed=seed)
            for row in part
        ]
        for label in track(range(codec.num_classes), "drawing")
    ]
    for part in loaded.parts:
        await part.stop()
    return np.array(found, np.int64)


async def _start(model: Model) -> SequentialModel:
    settings = ArSettings.model_validate({"device": "cpu", "diversity_every": 0})
    return await load_and_start(model, settings, ArMetrics(new_registry()))


async def _one_after_another(
    model: SequentialModel, codec: ImageCodec, label: int, *, num_images: int, seed: int
) -> AsyncIterator[list[list[int]]]:
    """Yield the tokens of some images at a time."""
    prompt = [codec.class_token(label)]
    for start in range(0, num_images, BATCH_SIZE):
        count = min(BATCH_SIZE, num_images - start)
        params = SamplingParams(seed=seed * num_images + start, max_tokens=codec.num_tokens, n=count)
        groups = model.groups(1, codec.num_tokens, codec.num_tokens)
        sequences = [Sequence(prompt, params, choice_index=index, groups=groups) for index in range(count)]
        stream = model.engine.submit(sequences)
        while not stream.is_finished:
            await stream.get()
        yield [sequence.output_token_ids for sequence in stream.sequences]
