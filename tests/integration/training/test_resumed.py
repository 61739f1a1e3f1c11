"""Every training ends bit for bit where it ends in one go, if it is interrupted and resumed. Small, invented images."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training import dataset, loop
from training.gan import train as gan
from training.judge import train as judge
from training.tokenizer import train as tokenizer
from training.tokenizer import tune_decoder
from training.transformer import tokens
from training.transformer import train as transformer

STEPS, BATCH_SIZE = 4, 2
NUM_IMAGES, NUM_HELD_OUT = 120, 100

Training = tuple[Callable[[], loop.Trainer], Callable[[int], Iterator[loop.Batch]]]


@pytest.fixture(autouse=True)
def images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise in place of Fashion-MNIST, as many of each class, most of them held out.

    The transformer draws no samples: that takes longer than all else here, and is a part of its export's test.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, 28, 28), dtype=np.uint8)
    monkeypatch.setattr(dataset, "load_split", lambda split: (pixels, np.arange(NUM_IMAGES) % 10))
    monkeypatch.setattr(dataset, "NUM_HELD_OUT", NUM_HELD_OUT)
    monkeypatch.setattr(transformer, "write_samples", lambda *_: None)


def of_gan() -> Training:
    recipe = gan.Recipe(STEPS, BATCH_SIZE)
    return lambda: gan.Trainer(recipe), lambda first: gan.batches(recipe, first)


def of_judge() -> Training:
    recipe = judge.Recipe(steps=STEPS, batch_size=BATCH_SIZE)
    return lambda: judge.Trainer(recipe), lambda first: judge.batches(recipe, first)


def of_tokenizer() -> Training:
    recipe = tokenizer.Recipe(STEPS, BATCH_SIZE)
    return lambda: tokenizer.Trainer(recipe), lambda first: tokenizer.batches(BATCH_SIZE, recipe.seed, first)


def of_decoder() -> Training:
    recipe, start = tune_decoder.Recipe(STEPS, BATCH_SIZE), random_tokenizer()
    return (
        lambda: tune_decoder.Trainer(recipe, copy.deepcopy(start)),
        lambda first: tune_decoder.batches(recipe, first),
    )


def of_transformer() -> Training:
    recipe, frozen = transformer.Recipe(STEPS, BATCH_SIZE), random_tokenizer()
    sequences = tokens.token_sequences(frozen, "train")
    return (
        lambda: transformer.Trainer(recipe, frozen),
        lambda first: transformer.batches(recipe, sequences, first),
    )


def random_tokenizer() -> tokenizer.Autoencoder:
    torch.manual_seed(5)
    return tokenizer.Autoencoder().eval().to(loop.device())


def state_after(training: Training, folder: Path, until: int) -> dict[str, Any]:
    """Train in `folder` up to a step, leave a snapshot, and return all that a checkpoint holds."""
    make, batches = training
    trainer = make()

    def limited(first: int) -> Iterator[loop.Batch]:
        for step, batch in enumerate(batches(first), first):
            if step == until:
                return
            yield batch

    loop.train(trainer, limited, folder, loop.Slice(float("inf"), 100))
    assert trainer.step_index == until
    return dict(pair for name, part in trainer.stateful().items() for pair in leaves(name, part.state_dict()))


def leaves(name: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield every value within dictionaries and lists, with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(f"{name}.{key}", inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from leaves(f"{name}.{index}", inner)
    else:
        yield name, value


def differing(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    assert ours.keys() == theirs.keys()
    return [
        name
        for name, value in ours.items()
        if not (torch.equal(value, theirs[name]) if isinstance(value, torch.Tensor) else value == theirs[name])
    ]


@pytest.mark.parametrize("make", [of_gan, of_judge, of_tokenizer, of_decoder, of_transformer])
def test_four_steps_at_once_are_two_and_two(make: Callable[[], Training], tmp_path: Path) -> None:
    training = make()
    whole = state_after(training, tmp_path / "whole", STEPS)
    half = state_after(training, tmp_path / "parts", STEPS // 2)
    resumed = state_after(training, tmp_path / "parts", STEPS)
    assert differing(whole, resumed) == []
    assert differing(half, resumed), "it learnt nothing"
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) == 2
