"""Images through a gateway, by both paradigms."""

import numpy as np
import pytest

from tandem.client import AsyncTandemClient, NotReachable
from tandem.measure.quality.drawing import REQUESTS_AT_A_TIME, Sampling, draw, find_model, settings_of
from tandem.shared.errors import InvalidArgument, NotFound
from tests.unit.tandem.measure.quality.small_world import NUM_CLASSES, SmallGateway, picture

LABELS = np.repeat(np.arange(NUM_CLASSES), 30)


async def drawn(gateway: SmallGateway, name: str, sampling: Sampling) -> tuple[np.ndarray, list[int]]:
    steps: list[int] = []
    async with AsyncTandemClient(gateway.address) as client:
        model = await find_model(client, name)
        return await draw(client, model, LABELS, sampling, steps.append), steps


async def test_a_parallel_model_draws_all_in_one_stream(gateway: SmallGateway) -> None:
    pixels, steps = await drawn(gateway, "small-gan", Sampling(seed=5, truncation=1.5))
    [request] = gateway.parallel.requests
    assert (request.model, request.seed, request.truncation) == ("small-gan", 5, 1.5)
    assert request.labels == LABELS.tolist()
    expected = [picture(label, 5 + index) for index, label in enumerate(LABELS.tolist())]
    assert (pixels == np.stack(expected)).all()
    assert sum(steps) == len(LABELS)
    assert len(steps) == 2


async def test_a_sequential_model_draws_a_request_an_image(gateway: SmallGateway) -> None:
    assert len(LABELS) > REQUESTS_AT_A_TIME
    pixels, steps = await drawn(gateway, "small-ar", Sampling(seed=5, temperature=0.9, top_p=0.8))
    expected = [picture(label, 5 * 2**32 + index) for index, label in enumerate(LABELS.tolist())]
    assert (pixels == np.stack(expected)).all()
    assert steps == [1] * len(LABELS)
    for request in gateway.sequential.requests:
        assert (request.model, request.sampling.temperature, request.sampling.top_p) == ("small-ar", 0.9, 0.8)


@pytest.mark.parametrize(
    ("name", "sampling", "field"),
    [
        ("small-ar", Sampling(1, truncation=1.0), "truncation"),
        ("small-gan", Sampling(1, temperature=0.5), "temperature"),
        ("small-gan", Sampling(1, top_p=0.5), "top_p"),
    ],
)
async def test_a_setting_of_the_other_paradigm_is_refused(
    gateway: SmallGateway, name: str, sampling: Sampling, field: str
) -> None:
    async with AsyncTandemClient(gateway.address) as client:
        model = await find_model(client, name)
        with pytest.raises(InvalidArgument, match=f"{field}.*{name} is"):
            settings_of(model, sampling)


async def test_an_unknown_model_is_answered_with_those_there_are(gateway: SmallGateway) -> None:
    async with AsyncTandemClient(gateway.address) as client:
        with pytest.raises(NotFound, match="small-ar, small-gan, words"):
            await find_model(client, "other")


async def test_a_text_model_makes_no_images(gateway: SmallGateway) -> None:
    async with AsyncTandemClient(gateway.address) as client:
        with pytest.raises(InvalidArgument, match=r"'words'.*makes images"):
            await find_model(client, "words")


async def test_one_backend_may_be_away(gateway: SmallGateway) -> None:
    gateway.sequential.is_away = True
    async with AsyncTandemClient(gateway.address) as client:
        assert (await find_model(client, "small-gan")).name == "small-gan"


async def test_no_gateway_is_an_error_of_its_own() -> None:
    async with AsyncTandemClient("127.0.0.1:1") as client:
        with pytest.raises(NotReachable):
            await find_model(client, "small-gan")


async def test_images_with_colours_keep_their_channels(gateway: SmallGateway) -> None:
    grey, _ = await drawn(gateway, "small-gan", Sampling(1))
    gateway.parallel.num_channels = 3
    colour, _ = await drawn(gateway, "small-gan", Sampling(1))
    assert (colour == np.repeat(grey[..., None], 3, axis=-1)).all()
