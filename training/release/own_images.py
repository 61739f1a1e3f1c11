"""Images of one class after another, drawn by a model of the repository in this process, as its service draws them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import numpy as np
from rich.progress import track

from runtime.deadlines import Deadline
from runtime.metrics import new_registry
from services.ar.codecs.image_codec import ImageCodec, Tokens
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.loading import load_and_start
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from services.common.diversity.watch import Look
from services.common.diversity.windows import Features
from services.common.images.encoding import Images
from services.common.runtimes.onnx_session import open_session
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
        return asyncio.run(_sequential(model, look, num_images, seed))
    if model.spec.generator is None:
        raise ModelError(f"{model.name}: makes no images")
    session = open_session(model.path(model.spec.generator))
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


async def _sequential(model: Model, look: Look, num_images: int, seed: int) -> list[Features]:
    features: defaultdict[int, list[Features]] = defaultdict(list)
    async for codec, label, rows in _tokens(model, num_images, seed):
        features[label].append(look(await codec.draw(rows, Deadline.after(None)), np.full(len(rows), label)))
    return [np.concatenate(parts) for parts in features.values()]


def drawn_tokens(model: Model, num_images: int, folder: Path) -> Tokens:
    """Return the tokens [C, num_images, T], cell by cell, of images of each class that a sequential model draws; kept
    in `folder`, which a training goes on with. Raises ModelError.
    """
    path = folder / "drawn.npy"
    if not path.exists():
        if model.spec.image_tokens is None:
            raise ModelError(f"{model.name}: has no image tokens")
        folder.mkdir(parents=True, exist_ok=True)
        found: defaultdict[int, list[list[int]]] = defaultdict(list)

        async def draw() -> None:
            async for _, label, rows in _tokens(model, num_images, SEED):
                found[label] += rows

        asyncio.run(draw())
        drawn = np.array(list(found.values()), np.int64)
        tokens = np.empty_like(drawn)
        tokens[..., list(model.spec.image_tokens.cells)] = drawn
        np.save(path, tokens)
    kept: Tokens = np.load(path)
    return kept


async def _tokens(
    model: Model, num_images: int, seed: int
) -> AsyncGenerator[tuple[ImageCodec, int, list[list[int]]], None]:
    """Yield the tokens of some images at a time, with their class and what makes images of them."""
    settings = ArSettings.model_validate({"device": "cpu", "diversity_every": 0})
    loaded = await load_and_start(model, settings, ArMetrics(new_registry()))
    codec = loaded.codec
    assert isinstance(codec, ImageCodec)
    for label in track(range(codec.num_classes), "drawing"):
        for start in range(0, num_images, BATCH_SIZE):
            count = min(BATCH_SIZE, num_images - start)
            params = SamplingParams(seed=seed * num_images + start, max_tokens=codec.num_tokens, n=count)
            prompt = [codec.class_token(label)]
            stream = loaded.engine.submit([Sequence(prompt, params, choice_index=index) for index in range(count)])
            while not stream.is_finished:
                await stream.get()
            yield codec, label, [sequence.output_token_ids for sequence in stream.sequences]
    for part in loaded.parts:
        await part.stop()
