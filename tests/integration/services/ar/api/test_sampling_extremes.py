"""Every pair of extreme sampling parameters through both sequential models: a legal request ends well, an illegal one
is refused by name, and none ends the backend or its neighbours.
"""

import asyncio
from pathlib import Path

import pytest

from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.models import ModelRepository
from tests.integration.services.ar.conftest import Backend, serving
from tests.sampling_extremes import extreme_parameters

TEXT, IMAGE = "smollm2-135m-instruct", "fashion-ar"
MODELS = [pytest.param(TEXT, marks=pytest.mark.model), IMAGE]
PROMPTS = {TEXT: {"text": "hi"}, IMAGE: {"class_label": 5}}
AT_A_TIME = 64


@pytest.fixture
async def real(request: pytest.FixtureRequest):
    name = request.param
    path = ModelRepository(Path("models")).get(name).transformer_path()
    if not path.exists():
        pytest.skip(f"{name} is not downloaded: run `tandem models pull {name}`")
    async with serving(ArSettings(models=[name], device="cpu", max_queued_sequences=512)) as backend:
        yield backend, name


def request_for(name: str, parameters: dict[str, object], max_tokens: int = 3) -> ar_pb2.GenerateRequest:
    sampling = ar_pb2.SamplingParams(**{"seed": 1, "max_tokens": max_tokens, **parameters})
    return ar_pb2.GenerateRequest(model=name, sampling=sampling, logprobs=True, top_logprobs=2, **PROMPTS[name])


async def tokens_of(backend: Backend, message: ar_pb2.GenerateRequest) -> list[int]:
    return [token for response in await backend.generate(message) for token in response.token_ids]


@pytest.mark.parametrize("real", MODELS, indirect=True)
async def test_every_pair_of_extremes_yields_tokens_and_harms_no_neighbour(real):
    backend, name = real
    neighbour = request_for(name, {"temperature": 0.9, "top_p": 0.9, "seed": 7}, max_tokens=12)
    expected = await tokens_of(backend, neighbour)
    requests = [request_for(name, parameters) for parameters in extreme_parameters()]
    for first in range(0, len(requests), AT_A_TIME):
        odd = requests[first : first + AT_A_TIME]
        found, *outputs = await asyncio.gather(
            tokens_of(backend, neighbour), *(tokens_of(backend, each) for each in odd)
        )
        assert found == expected
        for message, tokens in zip(odd, outputs, strict=True):
            assert 1 <= len(tokens) <= 3, message.sampling
    assert backend.sample("tandem_sequences_total", model=name, outcome="failed") == 0
    await backend.assert_idle()
