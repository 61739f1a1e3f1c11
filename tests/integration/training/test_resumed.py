"""Every training ends bit for bit where it ends in one go, if it is interrupted and resumed. Small, invented images."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from training import loop
from training.dataset import DataSet, image_batches
from training.gan import train as gan
from training.image_kind import FASHION
from training.judge import train as judge
from training.tokenizer import train as tokenizer
from training.tokenizer import tune_decoder
from training.transformer import tokens
from training.transformer import train as transformer

STEPS, BATCH_SIZE = 4, 2

Training = tuple[Callable[[], loop.Trainer], Callable[[int], Iterator[loop.Batch]]]


@pytest.fixture(autouse=True)
def no_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transformer draws no samples: that takes longer than all else here, and is a part of its export's test."""
    monkeypatch.setattr(transformer, "write_samples", lambda *_: None)


def noise(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noise in place of Fashion-MNIST, as many of each class."""
    source = torch.Generator().manual_seed(count)
    images = torch.randint(256, (count, 1, 28, 28), dtype=torch.uint8, generator=source)
    return images, torch.arange(count) % 10


DATA = DataSet(FASHION, noise(20), noise(100), noise(10))


def batches(first_step: int) -> Iterator[loop.Batch]:
    return image_batches(DATA.train, BATCH_SIZE, 0, first_step)


def of_gan() -> Training:
    recipe = gan.Recipe(STEPS, BATCH_SIZE)
    return lambda: gan.Trainer(recipe, FASHION), batches


def of_judge() -> Training:
    recipe = judge.Recipe(steps=STEPS, batch_size=BATCH_SIZE)
    return lambda: judge.Trainer(recipe, DATA), batches


def of_tokenizer() -> Training:
    recipe = tokenizer.Recipe(STEPS, BATCH_SIZE)
    return lambda: tokenizer.Trainer(recipe, DATA), batches


def of_decoder() -> Training:
    recipe, start = tune_decoder.Recipe(STEPS, BATCH_SIZE), random_tokenizer()
    return lambda: tune_decoder.Trainer(recipe, copy.deepcopy(start), DATA), batches


def of_transformer() -> Training:
    recipe, frozen = transformer.Recipe(STEPS, BATCH_SIZE), random_tokenizer()
    sequences = tokens.token_sequences(frozen, DATA.train)
    return (
        lambda: transformer.Trainer(recipe, frozen, tokens.token_sequences(frozen, DATA.validation)),
        lambda first: transformer.batches(recipe, sequences, first),
    )


def random_tokenizer() -> tokenizer.Autoencoder:
    torch.manual_seed(5)
    return tokenizer.Autoencoder(FASHION).eval().to(loop.device())


def state_after(training: Training, folder: Path, until: int) -> dict[str, Any]:
    """Train in `folder` up to a step, leave a snapshot, and return all that a checkpoint holds."""
    make, batches_from = training
    trainer = make()

    def limited(first: int) -> Iterator[loop.Batch]:
        for step, batch in enumerate(batches_from(first), first):
            if step == until:
                return
            yield batch

    loop.run(trainer, limited, folder, snapshot_every=100)
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
