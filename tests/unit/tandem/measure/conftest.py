"""Randomness that is the same each time; the small world's gateway, judge and data set."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.tandem.measure.quality.small_world import SmallGateway, small_gateway, write_judge, write_reference


@pytest.fixture
def random_source() -> random.Random:
    return random.Random(3)


@pytest.fixture
async def gateway() -> AsyncIterator[SmallGateway]:
    async with small_gateway() as running:
        yield running


@pytest.fixture(scope="session")
def judge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_judge(tmp_path_factory.mktemp("models") / "small-judge")


@pytest.fixture(scope="session")
def reference_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "lines.npz"
    write_reference(path)
    return path
