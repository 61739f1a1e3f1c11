"""`tandem models check NAME --seeds` as a process: real servers on tiny models, and one that is wrong."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from services.ar.settings import ArSettings
from services.gan.settings import GanSettings
from tandem.gan.v1 import gan_pb2
from tests.integration.services.ar.conftest import serving
from tests.integration.services.gan.conftest import running_backend
from tests.integration.services.gan.tiny_onnx import write_repository
from tests.integration.tandem.cli.commands import Ended, run, tandem
from tests.integration.tandem.fakes import FakeGateway
from tests.tiny_models import add_image_model, add_to_repository

NUM_SEEDS = 4


async def checked(name: str, *addresses: str) -> Ended:
    places = itertools.chain.from_iterable(("--address", address) for address in addresses)
    return await run(*tandem("models", "check", name, "--seeds", "--count", str(NUM_SEEDS), *places))


def rows(ended: Ended) -> list[list[str]]:
    """Return the cells of each line of the table that are not empty."""
    lines = (re.split(r"\s{2,}", line.strip()) for line in ended.out.splitlines())
    return [cells for cells in lines if len(cells) > 1 and cells[0] != "requests"]


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    add_to_repository(folder)
    add_image_model(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "kinds"), [("tiny", ["greedy, 32 tokens", "sampled, 32 tokens"]), ("tiny-image", ["uint8", "float32"])]
)
async def test_two_exact_sequential_replicas_agree_alone_and_in_company(
    models_dir: Path, name: str, kinds: list[str]
) -> None:
    settings = ArSettings(
        models_dir=models_dir, models=[name], max_context_tokens=256, kv_cache_tokens=2048, device="cpu", exact="on"
    )
    async with serving(settings) as one, serving(settings) as other:
        ended = await checked(name, one.address, other.address)
    assert ended.code == 0, ended.err
    whole = [f"100.0 % of {NUM_SEEDS}", "100.0 %" if name == "tiny" else "-"]
    ways = [(one.address, "beside others"), (other.address, "alone"), (other.address, "beside others")]
    assert rows(ended) == [[kind, address, sent, *whole] for address, sent in ways for kind in kinds]


async def test_a_parallel_model_agrees_alone_and_in_company(tmp_path: Path) -> None:
    write_repository(tmp_path)
    settings = GanSettings(models_dir=tmp_path, models=["tiny"], provider="cpu", num_instances=2)
    async with running_backend(settings) as backend:
        ended = await checked("tiny", backend.address)
    assert ended.code == 0, ended.err
    assert [row[0] for row in rows(ended)] == ["uint8", "float32"]
    assert {row[3] for row in rows(ended)} == {f"100.0 % of {NUM_SEEDS}"}


async def test_a_server_that_does_not_heed_the_seed_is_found_out(gateway: FakeGateway) -> None:
    images, numbers = gateway.parallel._images, itertools.count()

    def heedless(request: gan_pb2.SampleRequest, first: int, count: int) -> Any:
        request.seed = next(numbers)
        return images(request, first, count)

    gateway.parallel._images = heedless  # type: ignore[method-assign]
    ended = await checked("fake-gan", gateway.address)
    assert ended.code == 1, ended.err
    assert [row[3:] for row in rows(ended)] == [["0.0 % of 4", "seed 0, value 0", "-"]] * 2


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("nope", "--seeds"), 1, "fake-gan"),
        (("fake-gan",), 2, "a server is asked only with --seeds"),
        (("fake-gan", "--seeds", "--count", "0"), 2, "--count"),
    ],
)
async def test_what_is_wrong_is_named(gateway: FakeGateway, words: tuple[str, ...], code: int, part: str) -> None:
    ended = await run(*tandem("models", "check", *words, "--address", gateway.address))
    assert (ended.code, part in ended.err) == (code, True), ended.err
