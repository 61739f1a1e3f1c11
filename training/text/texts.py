"""The texts that the text models learn, and windows of them.

They are answers that a larger model gives, see training/draft_head. A vocabulary of their own is trained on them: byte
pairs, END behind each text, and MASK.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from services.ar.codecs.text_codec import TextCodec
from services.ar.engine.groups import spread_order
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import Model

VOCAB_SIZE = 2_048
END, MASK = 0, VOCAB_SIZE - 1
END_TEXT = "<|endoftext|>"
PROMPT, WINDOW = 64, 64
"""Tokens of the longest prompt of a training, and of the continuation."""
HELD_OUT = 0.05
"""Of the answers, the last."""


def answer_texts(model: Model, folder: Path) -> list[str]:
    """Return the answers that `training.draft_head.answers` has drawn from a model into `folder`."""
    codec = TextCodec(open_checkpoint(model.transformer_path()), 2**20)
    texts = []
    for path in sorted(folder.glob("answers-*.npz")):
        file = np.load(path)
        for ids in np.split(file["tokens"], np.cumsum(file["lengths"])[:-1]):
            texts.append(codec.decode([id_ for id_ in ids.tolist() if id_ not in codec.special_token_ids]).strip())
    return [text for text in texts if text]


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Return a tokenizer of all tokens but MASK."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MASK,
        special_tokens=[END_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@dataclass(frozen=True)
class Texts:
    """What is learnt, and what is held out, one after another: [N] int64 each."""

    tokenizer: Tokenizer
    train: Tensor
    held_out: Tensor


def open_texts(folder: Path, texts: list[str] | None) -> Texts:
    """Return the texts of `folder`, which are made of `texts` if it has none, and kept there."""
    tokens, tokenizer = folder / "tokens.npz", folder / "tokenizer.json"
    if not tokens.exists():
        if not texts:
            raise SystemExit(f"error: {folder} holds no texts yet, and no answers to make them of were named")
        folder.mkdir(parents=True, exist_ok=True)
        first_held_out = round(len(texts) * (1 - HELD_OUT))
        made = train_tokenizer(texts[:first_held_out])
        made.save(str(tokenizer))
        parts = texts[:first_held_out], texts[first_held_out:]
        np.savez(tokens, train=_encoded(made, parts[0]), held_out=_encoded(made, parts[1]))
    file = np.load(tokens)
    train, held_out = (torch.from_numpy(file[name].astype(np.int64)) for name in ("train", "held_out"))
    return Texts(Tokenizer.from_file(str(tokenizer)), train, held_out)


def _encoded(tokenizer: Tokenizer, texts: list[str]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    ids = [[*encoding.ids, END] for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    return np.concatenate([np.array(part, np.int32) for part in ids])


@dataclass(frozen=True)
class Windows:
    """Prompts and continuations, each continuation in the order in which it is written."""

    tokens: Tensor
    """[B, PROMPT + WINDOW]; of a shorter prompt the beginning is there to fill up."""
    first: Tensor
    """[B], where the prompt begins."""
    places: Tensor
    """[B, WINDOW], where in the continuation its tokens stand."""
    starts: Tensor
    """[B, WINDOW], where the group of each token begins."""
    is_wanted: Tensor
    """[B, WINDOW], whether it is a token to be predicted: none that is given, and none behind the end of an output."""


def windows(texts: Tensor, ends: Tensor, first: Tensor, group_sizes: Tensor, orders: list[Order]) -> Windows:
    """Return windows of `texts` whose prompts end before `ends` [B]; groups have `group_sizes` [B] tokens."""
    span = torch.arange(-PROMPT, WINDOW)
    tokens = texts[ends[:, None] + span]
    places = torch.tensor([order.places for order in orders])
    continuation = tokens[:, PROMPT:].gather(1, places)
    given = torch.tensor([[order.num_given] for order in orders])
    stop = torch.tensor([[order.stop] for order in orders])
    number = torch.arange(WINDOW)
    sizes = group_sizes[:, None]
    starts = torch.where(number < given, number, given + (number - given) // sizes * sizes)
    is_wanted = (number >= given) & (number < stop)
    return Windows(torch.cat([tokens[:, :PROMPT], continuation], dim=1), first, places, starts, is_wanted)


@dataclass(frozen=True)
class Order:
    """An order of a continuation: `num_given` places that are there before, then others, up to `stop` of them."""

    places: tuple[int, ...]
    num_given: int = 0
    stop: int = WINDOW


LEFT_TO_RIGHT = Order(tuple(range(WINDOW)))
SPREAD = Order(spread_order(WINDOW, WINDOW))


def draw_order(source: np.random.Generator) -> Order:
    """Return the spread order of an output that may be shorter than the window, and that may hold tokens already.

    A quarter are shorter. In a half some places are given, their number uniform in its logarithm, one after another or
    anywhere.
    """
    length = int(source.integers(1, WINDOW + 1)) if source.random() < 0.25 else WINDOW
    given: list[int] = []
    if length > 1 and source.random() < 0.5:
        count = int(float(length) ** source.random())
        if source.random() < 0.5:
            start = int(source.integers(length - count + 1))
            given = list(range(start, start + count))
        else:
            given = sorted(source.choice(length, count, replace=False).tolist())
    rest = [place for place in spread_order(length, WINDOW) if place not in given]
    return Order((*given, *rest, *range(length, WINDOW)), len(given), length)


def whole_windows(texts: Tensor, count: int) -> Iterator[int]:
    """Yield where the continuations of at most `count` windows begin that cover a text evenly, with whole prompts."""
    most = (len(texts) - PROMPT) // WINDOW
    step = max(1, most // count)
    yield from range(PROMPT, len(texts) - WINDOW + 1, step * WINDOW)
