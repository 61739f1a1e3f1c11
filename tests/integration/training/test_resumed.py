"""Every training ends bit for bit where it ends in one go, if it is interrupted and resumed. Small, invented images."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from training import loop
from training.dataset import DataSet
from training.gan import train as gan
from training.image_kind import FASHION
from training.judge import train as judge
from training.set_autoregressive import train as sets
from training.text import train as text
from training.text.texts import MASK, PROMPT, WINDOW, Texts, train_tokenizer
from training.tokenizer import train as tokenizer
from training.tokenizer import tune_decoder
from training.tokenizer.networks import FIRST_CLASS_TOKEN, NUM_CODES
from training.transformer import train as transformer

STEPS, BATCH_SIZE = 4, 2


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


def random_tokenizer() -> tokenizer.Autoencoder:
    torch.manual_seed(5)
    return tokenizer.Autoencoder(FASHION).eval().to(loop.device())


SETS = sets.Recipe((sets.Phase(2, 1.0, 0.5), sets.Phase(2, 1.0, 0.75, 1.5)), batch_size=4)


def sequences(count: int) -> torch.Tensor:
    source = torch.Generator().manual_seed(count)
    labels = torch.randint(10, (count, 1), generator=source) + FIRST_CLASS_TOKEN
    return torch.cat([labels, torch.randint(NUM_CODES, (count, FASHION.num_tokens), generator=source)], dim=1)


TEXT = text.TextRecipe((text.Phase(2, 1.0), text.Phase(2, 1.0)), batch_size=4, order="spread")


def texts() -> Texts:
    source = torch.Generator().manual_seed(1)
    tokens = torch.randint(MASK, (2, 2 * (PROMPT + WINDOW)), generator=source)
    return Texts(train_tokenizer(["The two clocks in the station"]), *tokens)


TRAININGS: dict[str, Callable[[], loop.Trainer]] = {
    "gan": lambda: gan.Trainer(gan.Recipe(STEPS, BATCH_SIZE), DATA),
    "judge": lambda: judge.Trainer(judge.Recipe(STEPS, BATCH_SIZE), DATA),
    "tokenizer": lambda: tokenizer.Trainer(tokenizer.Recipe(STEPS, BATCH_SIZE), DATA),
    "decoder": lambda: tune_decoder.Trainer(tune_decoder.Recipe(STEPS, BATCH_SIZE), random_tokenizer(), DATA),
    "sets": lambda: sets.Trainer(SETS, FASHION, real=sequences(8), drawn=sequences(4), validation=sequences(4)),
    "texts": lambda: text.Trainer(TEXT, texts()),
    "transformer": lambda: transformer.Trainer(transformer.Recipe(STEPS, BATCH_SIZE), random_tokenizer(), DATA),
}


def state_after(trainer: loop.Trainer, folder: Path, until: int) -> dict[str, Any]:
    """Train in `folder` up to a step, leave a snapshot, and return all that a checkpoint holds."""
    whole = trainer.batches
    trainer.batches = lambda first: itertools.islice(whole(first), until - first)
    loop.run(trainer, folder, snapshot_every=100)
    assert trainer.step_index == until
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    return dict(pair for name in trainer.kept() for pair in leaves(name, state[name]))


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


@pytest.mark.parametrize("name", TRAININGS)
def test_four_steps_at_once_are_two_and_two(name: str, tmp_path: Path) -> None:
    make = TRAININGS[name]
    whole = state_after(make(), tmp_path / "whole", STEPS)
    half = state_after(make(), tmp_path / "parts", STEPS // 2)
    resumed = state_after(make(), tmp_path / "parts", STEPS)
    assert differing(whole, resumed) == []
    assert differing(half, resumed), "it learnt nothing"
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) == 2
