"""A whole measurement over steps, of a server that answers at once: who is asked for what, and what comes of it."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tandem.measure.quality.reference import Reference, Split
from tandem.measure.report.findings import points_of
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.files import read_result
from tandem.measure.studies.comparison.modes import Pair, find_pair_over_steps
from tandem.measure.studies.comparison.steps import score
from tandem.measure.studies.study import ignore
from tandem.shared.errors import InvalidArgument
from tests.integration.tandem.cli.commands import run
from tests.integration.tandem.fakes import CLASS_NAMES, SIDE, FakeGateway, fake_gateway
from tests.unit.tandem.measure.studies.comparison.seen import settings

NUM_ROUNDS = 2
MEASURE = """
import asyncio, sys
from pathlib import Path
from tandem.measure.results.comparison import Settings
from tandem.measure.results.files import write_document
from tandem.measure.studies.comparison.modes import Request
from tandem.measure.studies.comparison.compare import run_comparison
from tandem.measure.studies.comparison.modes import find_pair_over_steps
address, load, file = sys.argv[1:]
pair = asyncio.run(find_pair_over_steps(address, "", ""))
request = Request(address=address, settings=Settings.model_validate_json(load))
write_document(Path(file), run_comparison(request, pair))
"""
LOAD = settings(concurrencies=(1,), num_rounds=NUM_ROUNDS, trial_seconds=0.05, num_scored=10)


@pytest.fixture
async def gateway():
    async with fake_gateway() as running:
        running.sequential.has_steps = True
        yield running


async def found(gateway: FakeGateway, *names: str, steps: tuple[int, ...] = ()) -> Pair:
    pair = await find_pair_over_steps(gateway.address, *(names or ("", "")), steps)
    assert pair is not None
    return pair


async def test_the_model_that_takes_steps_is_measured_beside_the_others(gateway: FakeGateway) -> None:
    for names in (("", ""), ("fake-image", "fake-gan"), ("fake-steps", "fake-gan")):
        pair = await found(gateway, *names)
        assert [each.name for each in pair.models] == ["fake-steps", "fake-gan", "fake-image"]
        assert pair.steps == (1, 2, 4)
        assert [mode.name for mode in pair.modes()] == [
            "sequential unary, 1 step",
            "sequential unary, 2 steps",
            "sequential unary, 4 steps",
            "sequential unary",
            "parallel unary",
        ]


async def test_the_most_steps_are_always_among_them_and_more_are_refused(gateway: FakeGateway) -> None:
    assert (await found(gateway, steps=(3, 1))).steps == (1, 3, 4)
    for wrong in (0, 5):
        with pytest.raises(InvalidArgument, match=f"steps: {wrong} is not accepted; accepted: 1 to 4, the tokens"):
            await found(gateway, steps=(1, wrong))


async def test_without_such_a_model_there_is_nobody_to_measure(gateway: FakeGateway) -> None:
    gateway.sequential.has_steps = False
    assert await find_pair_over_steps(gateway.address, "", "") is None


async def test_a_whole_measurement_asks_each_in_its_own_steps(gateway: FakeGateway, tmp_path: Path) -> None:
    file = tmp_path / "steps.json"
    ended = await run(sys.executable, "-c", MEASURE, gateway.address, LOAD.model_dump_json(), str(file))
    assert ended.code == 0, ended.err
    document = read_result(file)
    assert isinstance(document, Comparison)
    assert document.problems == ()
    assert not document.is_partial
    assert document.settings.steps == (1, 2, 4)
    for point in points_of(document):
        assert point.mode.alone is not None
        assert [each.figures["images_per_second"].count for each in point.mode.curve] == [NUM_ROUNDS]
        assert point.mode.capacity is not None
        assert point.num_images == point.mode.alone.num_images
        assert point.quality is None
    asked = Counter((each.model, each.sampling.steps) for each in gateway.sequential.requests)
    assert set(asked) == {("fake-steps", 1), ("fake-steps", 2), ("fake-steps", 4), ("fake-image", 0)}
    assert document.judgement.reason == "it was not asked for"
    assert gateway.sequential.scored == []


async def test_likelihoods_are_asked_for_each_number_of_steps_of_the_same_images(gateway: FakeGateway) -> None:
    images = np.arange(6 * SIDE * SIDE, dtype=np.uint8).reshape(6, SIDE, SIDE)
    split = Split(images, np.tile(np.arange(len(CLASS_NAMES)), 2))
    bits = await score(gateway.address, await found(gateway), Reference("r", split, split), 6, ignore)
    assert {name: values.tolist() for name, values in bits.items()} == {
        f"sequential unary, {steps}": [2.0] * 6 for steps in ("1 step", "2 steps", "4 steps")
    }
    assert [request.steps for request in gateway.sequential.scored] == [1, 2, 4]
    assert len({request.images.images.data for request in gateway.sequential.scored}) == 1


async def test_no_images_are_asked_for_where_there_are_to_be_none(gateway: FakeGateway) -> None:
    split = Split(np.zeros((3, SIDE, SIDE), np.uint8), np.arange(3))
    assert await score(gateway.address, await found(gateway), Reference("r", split, split), 0, ignore) == {}
    assert gateway.sequential.scored == []
