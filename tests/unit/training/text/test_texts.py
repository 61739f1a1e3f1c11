"""Windows of texts: what they hold, in which order, and what of it is to be predicted."""

import numpy as np
import pytest
import torch

from training.text.texts import (
    END,
    LEFT_TO_RIGHT,
    MASK,
    PROMPT,
    SPREAD,
    WINDOW,
    Order,
    draw_order,
    open_texts,
    whole_windows,
    windows,
)

TEXT = torch.arange(1000)


def test_a_window_is_a_prompt_and_a_continuation_in_the_order_of_the_model():
    first, sizes = torch.tensor([0, 10]), torch.tensor([3, 64])
    batch = windows(TEXT, torch.tensor([100, 500]), first, sizes, [LEFT_TO_RIGHT, SPREAD])
    assert batch.tokens.shape == (2, PROMPT + WINDOW)
    assert batch.tokens[0].tolist() == list(range(100 - PROMPT, 100 + WINDOW))
    assert batch.tokens[1, :PROMPT].tolist() == list(range(500 - PROMPT, 500))
    assert batch.tokens[1, PROMPT:].tolist() == [500 + place for place in SPREAD.places]
    assert batch.starts[0, :7].tolist() == [0, 0, 0, 3, 3, 3, 6]
    assert batch.starts[1].tolist() == [0] * WINDOW
    assert bool(batch.is_wanted.all())


def test_given_tokens_come_first_and_groups_begin_behind_them():
    order = Order((5, 9, *(place for place in range(WINDOW) if place not in (5, 9))), 2, 20)
    batch = windows(TEXT, torch.tensor([100]), torch.tensor([0]), torch.tensor([4]), [order])
    assert batch.starts[0, :11].tolist() == [0, 1, 2, 2, 2, 2, 6, 6, 6, 6, 10]
    assert batch.is_wanted[0].nonzero().flatten().tolist() == list(range(2, 20))


def test_drawn_orders_have_each_place_once_given_ones_rising_others_spread():
    source, shorter, given = np.random.default_rng(0), 0, 0
    for _ in range(400):
        order = draw_order(source)
        assert sorted(order.places) == list(range(WINDOW))
        assert list(order.places[: order.num_given]) == sorted(order.places[: order.num_given])
        rest = order.places[order.num_given : order.stop]
        assert list(rest) == [place for place in SPREAD.places if place in rest]
        assert order.num_given < order.stop
        shorter, given = shorter + (order.stop < WINDOW), given + (order.num_given > 0)
    assert 70 < shorter < 130
    assert 150 < given < 250


def test_windows_to_test_with_do_not_overlap():
    starts = list(whole_windows(TEXT, 5))
    assert starts[0] == PROMPT
    assert min(np.diff(starts)) >= WINDOW
    assert starts[-1] + WINDOW <= len(TEXT)


def test_texts_are_kept_with_their_vocabulary(tmp_path):
    texts = [f"The answer to question {number} is {number * number}." for number in range(100)]
    made = open_texts(tmp_path, texts)
    again = open_texts(tmp_path, None)
    assert torch.equal(made.train, again.train)
    assert int((again.train == END).sum()) == 95
    assert int((again.held_out == END).sum()) == 5
    assert int(again.train.max()) < MASK
    assert again.tokenizer.decode(again.held_out.tolist()) == "".join(texts[95:])
    with pytest.raises(SystemExit, match="holds no texts yet"):
        open_texts(tmp_path / "none", None)
