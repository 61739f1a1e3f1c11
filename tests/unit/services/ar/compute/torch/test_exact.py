"""Exact mode: a sequence's logits are the same to the last bit whatever runs beside it."""

import random
from functools import partial

import pytest
import torch
from torch import nn

from services.ar.compute.runner import Runner
from services.ar.compute.torch.exact import (
    ExactActivation,
    ExactLinear,
    PackedLinear,
    can_pack,
    make_exact,
    pack_linears,
)
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.loading import load_transformer
from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.drafting import Drafter, TextDrafter
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelError
from tests.engine_loop import Brought, brought, check_company
from tests.tiny_models import VOCAB_SIZE, save_tiny_model

CHUNK_TOKENS = 16


@pytest.fixture(scope="module", params=["llama", "mistral"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    save_tiny_model(folder, request.param)
    model = load_transformer(open_checkpoint(folder), torch.float32, torch.device("cpu"))
    make_exact(model)
    model.prepare(256)
    return model


def outputs(
    model, running: list[Sequence], num_blocks: int = 128, drafter: Drafter | None = None
) -> tuple[Brought, int]:
    """Return what each sequence brought, and the number of preemptions."""
    pool = BlockPool(num_blocks, 8)
    scheduler = Scheduler(pool, 8, 32, CHUNK_TOKENS, PrefixCache(pool, CHUNK_TOKENS), drafter)
    cache = KVCache(model.config, num_blocks, 8, torch.float32, torch.device("cpu"))
    runner = Runner(TorchForward(model, cache, num_threads=1, is_exact=True), 8, VOCAB_SIZE)
    return brought(scheduler, runner, running), scheduler.num_preemptions


def test_tokens_and_log_probabilities_do_not_depend_on_company(model):
    check_company(partial(outputs, model))


def of_one_beginning() -> list[Sequence]:
    """Return more sequences than run at a time, whose prompts have two chunks and a half in common."""
    common, source = list(range(40)), random.Random(5)
    rests = [[source.randrange(VOCAB_SIZE) for _ in range(length)] for length in [1, 8, 8, 9, 30, 0, 1, 8] * 2]
    params = SamplingParams(max_tokens=8, ignore_eos=True, logprobs=True)
    return [Sequence(common + rest, params) for rest in rests]


def test_tokens_and_log_probabilities_do_not_depend_on_who_computed_the_beginning(model):
    """With few blocks what was kept is evicted again and again."""
    alone = [outputs(model, [sequence])[0][0] for sequence in of_one_beginning()]
    for num_blocks in (128, 14):
        together = of_one_beginning()
        assert outputs(model, together, num_blocks)[0] == alone
        cached = [sequence.num_cached_tokens for sequence in together]
        assert set(cached) == {0, 2 * CHUNK_TOKENS}
        assert all(cached[8:]) or num_blocks == 14


def random_sequence(chance: random.Random) -> Sequence:
    """Return a sequence that repeats itself somewhat, with parameters of every kind."""
    few = [chance.randrange(VOCAB_SIZE) for _ in range(6)]
    params = SamplingParams(
        seed=chance.randrange(2**63),
        max_tokens=chance.randrange(1, 50),
        temperature=chance.choice([0.0, 0.0, 0.3, 1.0]),
        top_k=chance.choice([0, 0, 4]),
        top_p=chance.choice([1.0, 0.8]),
        min_p=chance.choice([0.0, 0.0, 0.1]),
        repetition_penalty=chance.choice([1.0, 1.0, 0.7, 1.3]),
        presence_penalty=chance.choice([0.0, 0.0, -1.0, 1.0]),
        frequency_penalty=chance.choice([0.0, 0.0, -0.5, 0.5]),
        min_tokens=chance.choice([0, 0, 10]),
        stop_token_ids=frozenset(chance.choice([[], [few[0]]])),
        logit_bias=chance.choice([{}, dict.fromkeys(few, 12.0)]),
        ignore_eos=chance.random() < 0.5,
        logprobs=True,
        top_logprobs=2,
    )
    return Sequence(chance.choices(few, k=chance.randrange(1, 40)), params, frozenset({few[1]}), chance.randrange(3))


def test_whatever_the_parameters_drafts_change_neither_tokens_nor_log_probabilities_nor_ends(model):
    def drawn(num_blocks: int, drafter: Drafter | None) -> tuple[Brought, int]:
        return outputs(model, [random_sequence(random.Random(number)) for number in range(24)], num_blocks, drafter)

    without, _ = drawn(128, None)
    for num_blocks in (128, 16):
        found, num_preemptions = drawn(num_blocks, drafter := TextDrafter(6, 64))
        assert found == without
        assert (num_preemptions > 0) == (num_blocks == 16)
        assert drafter.num_accepted_tokens > 20
        assert drafter.num_drafted_tokens - drafter.num_accepted_tokens > 20


@pytest.mark.parametrize("num_inputs", [40, 1536])
@torch.inference_mode()
def test_a_row_of_a_linear_layer_does_not_depend_on_their_number(num_inputs):
    torch.manual_seed(0)
    plain = nn.Linear(num_inputs, 72)
    layer, x = ExactLinear(plain), torch.randn(64, num_inputs)
    expected = layer(x)
    torch.testing.assert_close(expected, plain(x), atol=1e-5, rtol=1e-5)
    for num_rows in (1, 2, 3, 15, 16, 33):
        assert torch.equal(layer(x[:num_rows]), expected[:num_rows])


@torch.inference_mode()
def test_a_row_of_silu_does_not_depend_on_their_number_or_the_threads():
    torch.manual_seed(0)
    layer, x = ExactActivation(torch.nn.SiLU()), torch.randn(256, 2 * 289).chunk(2, dim=-1)[0]
    num_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = nn.SiLU()(x)
        torch.set_num_threads(2)
        assert all(torch.equal(layer(x[:num_rows]), expected[:num_rows]) for num_rows in (1, 57, 114, 171, 256))
    finally:
        torch.set_num_threads(num_threads)


def test_what_can_not_be_exact_is_refused():
    with pytest.raises(ModelError, match="exact: needs float32 on a CPU with oneDNN"):
        make_exact(nn.Sequential(nn.Linear(4, 4)).to(torch.bfloat16))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@torch.inference_mode()
def test_a_packed_layer_computes_what_the_plain_one_does(dtype, tolerance):
    if not can_pack(torch.zeros(1, dtype=dtype)):
        pytest.skip("oneDNN has no bfloat16 for this processor")
    for num_rows in (1, 3, 33):
        for has_bias in (True, False):
            torch.manual_seed(0)
            plain = nn.Linear(40, 72, bias=has_bias).to(dtype).requires_grad_(False)
            x = torch.randn(num_rows, 40).to(dtype)
            expected = plain(x)
            model = nn.Sequential(plain)
            assert pack_linears(model) == 1
            assert isinstance(model[0], PackedLinear)
            torch.testing.assert_close(model(x), expected, atol=tolerance, rtol=tolerance)


@torch.inference_mode()
def test_layers_stay_plain_where_packing_does_not_pay_or_cannot_be(monkeypatch):
    model = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 72)).requires_grad_(False)
    assert pack_linears(model) == 1
    assert isinstance(model[0], nn.Linear)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    model = nn.Sequential(nn.Linear(40, 72)).to(torch.bfloat16)
    assert pack_linears(model) == 0
    assert model(torch.zeros(1, 40, dtype=torch.bfloat16)).dtype is torch.bfloat16
