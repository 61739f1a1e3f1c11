"""The quality of a run's images is what `tandem models evaluate` says of the same images."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tandem.measure.quality import protocol
from tandem.measure.quality.drawing import Sampling
from tandem.measure.results.quality import Quality
from tandem.measure.studies.comparison import quality as quality_module
from tandem.measure.studies.comparison.callers import NOT_ASKED, Album
from tandem.measure.studies.comparison.compare import judge
from tandem.measure.studies.comparison.modes import Pair, Request
from tandem.measure.studies.comparison.quality import Assessor, assessor
from tandem.measure.studies.study import ignore
from tandem.shared.errors import InvalidArgument, NotFound
from tandem.shared.models import ModelRepository
from tests.unit.tandem.measure.quality.small_world import NUM_CLASSES, SmallGateway, picture
from tests.unit.tandem.measure.studies.comparison.seen import PAIR, findings, model, settings

PER_CLASS = 30


@pytest.fixture
def judges(judge_folder: Path, reference_file: Path) -> Assessor:
    return assessor(judge_folder, reference_file, PAIR)


def album(count: int, first_seed: int = 0) -> Album:
    """Return the images that the small world's models draw for so many seeds, in the order of a comparison."""
    found = Album(NUM_CLASSES, 1000)
    for number in range(count):
        label = number % NUM_CLASSES
        index = label * PER_CLASS + number // NUM_CLASSES
        found.add(label, picture(label, first_seed + index)[..., None])
    return found


async def test_it_is_what_models_evaluate_says_of_the_same_images(
    gateway: SmallGateway, judge_folder: Path, reference_file: Path, judges: Assessor, tmp_path: Path
) -> None:
    """The small world's parallel model draws `picture(class, seed + i)`, the sequential one with seed * 2^32 + i."""
    for name, paradigm, seed, first in (("small-gan", "parallel", 3, 3), ("small-ar", "sequential", 3, 3 * 2**32)):
        wanted = protocol.Protocol(
            name, PER_CLASS * NUM_CLASSES, Sampling(seed), judge_folder, reference_file, model=None
        )
        found = await asyncio.to_thread(protocol.run, wanted, gateway.address, tmp_path, lambda count: None)
        albums = {paradigm: album(PER_CLASS * NUM_CLASSES, first)}
        quality, judgement = judges.assess(albums, {}, 10_000, ignore)
        for figures, side in ((quality[paradigm].model, "model"), (quality[paradigm].floor, "floor")):
            told = {key: found[side][key] for key in Quality.model_fields if key != "classes"}
            assert figures.model_dump(exclude={"classes"}) == pytest.approx(told, abs=1e-5)
            for own, one in zip(figures.classes, found[side]["classes"], strict=True):
                assert own.model_dump() == pytest.approx(one, abs=1e-5)
        assert judgement.reason == ""


@pytest.mark.parametrize(
    ("nums_images", "most", "measured"), [((40, 90), 10_000, 39), ((90, 90), 36, 36), ((29, 90), 10_000, 0)]
)
def test_both_models_are_measured_of_as_many_images_and_of_too_few_not_at_all(
    judges: Assessor, nums_images: tuple[int, int], most: int, measured: int
) -> None:
    albums = dict(zip(("sequential", "parallel"), map(album, nums_images), strict=True))
    quality, judgement = judges.assess(albums, {}, most, ignore)
    assert {side.num_images for one in quality.values() for side in (one.model, one.floor)} == {measured} - {0}
    assert judgement.reason == ("" if measured else "it takes 10 images of each class, and 9 were served")


def test_the_loss_of_a_tokenizer_is_that_of_as_many_real_images(
    judge_folder: Path, judges: Assessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tokenizer that loses nothing has the floor's FID; one that loses all detail has a worse one."""
    drawn_by = {"sequential": "ar", "sequential, 1 step": "ar", "parallel": "small-judge"}
    albums = {"sequential": album(90), "sequential, 1 step": album(90), "parallel": album(90)}
    monkeypatch.setattr(ModelRepository, "get", lambda self, name: name if name != "small-judge" else no(name))

    def no(name: str) -> None:
        raise NotFound(name, [])

    monkeypatch.setattr(quality_module, "reconstruct", lambda model, images: images)
    lossless, _ = judges.assess(albums, drawn_by, 10_000, ignore)
    monkeypatch.setattr(quality_module, "reconstruct", lambda model, images: images // 128 * 128)
    coarse, _ = judges.assess(albums, drawn_by, 10_000, ignore)
    for drawer in ("sequential", "sequential, 1 step"):
        blurred = coarse[drawer].views.tokenizer
        assert blurred is not None
        assert blurred.judge.value > 2 * coarse[drawer].floor.fid
        assert lossless[drawer].views.tokenizer == lossless[drawer].views.floor
    assert lossless["parallel"].views.tokenizer is None


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"image_shape": (28, 28, 1)}, r"judge: 'small-judge' is not accepted; accepted: a judge of \[28, 28, 1\]"),
        ({"image_shape": (4, 4, 3)}, r"a judge of \[4, 4, 3\] images"),
        ({"num_classes": 4}, "number of classes: 4 is not accepted; accepted: models of 3 classes, as lines has"),
        ({}, "small-judge of left, right, top"),  # classes of other names
    ],
)
def test_a_judge_of_other_images_is_refused(
    judge_folder: Path, reference_file: Path, change: dict[str, object], part: str
) -> None:
    pair = Pair(model("sequential", "ar", **change), model("parallel", "gan", **change), ("cat", "dog", "cow"))
    with pytest.raises(InvalidArgument, match=part):
        assessor(judge_folder, reference_file, pair)


def test_why_there_is_no_quality_is_kept() -> None:
    """That a data set is missing is not that nobody asked for quality."""
    request = Request(address="127.0.0.1:1", settings=settings(quality_images=0))
    for asked, reason in ((request, NOT_ASKED), (replace(request, unjudged="it is missing"), "it is missing")):
        study = findings()
        judge(None, asked, study)
        assert study.judgement.reason == reason
