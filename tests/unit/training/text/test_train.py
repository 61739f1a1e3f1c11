"""A tiny training of each order, and the measure of a model, against a pass over the text by hand."""

import dataclasses
import json
import math

import pytest
import torch
from tokenizers import Tokenizer

from services.ar.compute.torch.transformer import Transformer
from tandem.shared.models import ModelRepository
from tests.causal_attention import CausalAttention
from training import loop
from training.set_autoregressive.recipe import Phase
from training.text import export, measure, train
from training.text.texts import MASK, PROMPT, VOCAB_SIZE, WINDOW, Texts, open_texts
from training.text.train import ORDERS, TextRecipe, Trainer, held_out_windows, token_bits

SMALL = dataclasses.replace(train.CONFIG, hidden_size=32, intermediate_size=32, num_layers=2, head_dim=8)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for module in (train, export, measure):
        monkeypatch.setattr(module, "CONFIG", SMALL)


@pytest.fixture
def texts() -> Texts:
    source = torch.Generator().manual_seed(0)
    parts = (torch.randint(1, MASK, (count,), generator=source) for count in (2000, 500))
    return Texts(Tokenizer.from_str('{"version":"1.0","model":{"type":"BPE","vocab":{},"merges":[]}}'), *parts)


def trainer_of(texts: Texts, order: str, steps: int = 4) -> Trainer:
    return Trainer(TextRecipe(phases=(Phase(steps, 1.0),), batch_size=4, order=order), texts)


@pytest.mark.parametrize("order", ORDERS)
def test_a_training_descends_and_a_batch_depends_on_its_step_alone(texts, order):
    trainer = trainer_of(texts, order, 40)
    batches = list(trainer.batches(0))
    assert all(torch.equal(one, other) for one, other in zip(batches[3], next(trainer.batches(3)), strict=True))
    losses = [trainer.step(*batches[0])["content"] for _ in range(12)]
    assert losses[-1] < losses[0]


@torch.no_grad()
def test_bits_are_those_of_a_pass_over_the_text(texts):
    torch.manual_seed(1)
    model = Transformer(SMALL)
    model.prepare(PROMPT + WINDOW)
    starts = held_out_windows(texts.held_out, 3)
    found = token_bits(model, texts.held_out, starts, "left_to_right", 1)
    window = texts.held_out[starts[1] - PROMPT : starts[1] + WINDOW]
    hidden = model(window[:-1], torch.arange(len(window) - 1), CausalAttention())
    expected = -model.logits(hidden)[PROMPT - 1 :, :MASK].log_softmax(-1)[range(WINDOW), window[PROMPT:]] / math.log(2)
    assert found[1].tolist() == pytest.approx(expected.tolist(), abs=1e-4)


@torch.no_grad()
def test_a_group_is_predicted_from_what_was_before_it(texts):
    torch.manual_seed(1)
    model = Transformer(SMALL)
    model.prepare(PROMPT + WINDOW)
    starts, changed = torch.tensor([PROMPT]), texts.held_out.clone()
    changed[PROMPT + WINDOW // 2] = (changed[PROMPT + WINDOW // 2] + 1) % MASK  # the second token of the spread order
    one, other = (token_bits(model, text, starts, "spread", 2)[0] for text in (texts.held_out, changed))
    assert torch.equal(one[:1], other[:1])  # its own group does not see it
    assert not torch.equal(one[2:], other[2:])


def test_a_run_is_measured_and_exported(tmp_path, monkeypatch):
    data = open_texts(tmp_path / "texts", [f"Question {number}, answer {number * 7}." for number in range(2000)])
    monkeypatch.setattr(train, "TESTED_WINDOWS", 2)
    for order in ORDERS:
        loop.run(trainer_of(data, order), tmp_path / order, snapshot_every=4)
        folder = tmp_path / "models" / order
        options = ["--run", tmp_path / order, "--data", tmp_path / "texts", "--model", folder, "--order", order]
        export.main([str(option) for option in options])
        spec = ModelRepository(tmp_path / "models").get(order).spec
        assert (spec.text_tokens is None) == (order == "next_token")
        assert spec.text_tokens is None or (spec.text_tokens.mask_token, spec.text_tokens.order) == (MASK, order)
        assert json.loads((folder / "config.json").read_text())["vocab_size"] == VOCAB_SIZE
    runs = [str(tmp_path / order) for order in ORDERS]
    measure.main([*runs, "--data", str(tmp_path / "texts"), "--out", str(tmp_path / "found.json"), "--windows", "4"])
    found = json.loads((tmp_path / "found.json").read_text())
    assert [len(run["tokens_per_step"]) for run in found["runs"]] == [8, 8, 1]
    bits = found["runs"][1]["tokens_per_step"]["8"]["bits_per_character"]
    assert found["runs"][1]["over_one"]["8"]["bits_per_character"] == pytest.approx(
        bits - found["runs"][1]["tokens_per_step"]["1"]["bits_per_character"], abs=2e-4
    )
