"""What was served and kept, and what stands beside the pair in the same rounds."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tandem.measure.studies.comparison import callers
from tandem.measure.studies.comparison.callers import Album, pair_beside
from tandem.measure.studies.comparison.modes import Pair
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.studies.comparison.seen import METER, PAIR, findings, made, model, trial


def image(value: int) -> np.ndarray:
    return np.full((4, 4, 1), value, np.uint8)


def filled(most_per_class: int = 10) -> Album:
    album = Album(3, most_per_class)
    for number in range(7):
        album.add(number % 3, image(10 * (number % 3) + number))
    return album


def test_the_first_of_each_class_are_kept_in_the_order_of_the_classes() -> None:
    images, labels = filled().balance(2)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert images[:, 0, 0, 0].tolist() == [0, 3, 11, 14, 22, 25]


def test_all_are_counted_and_some_are_kept() -> None:
    album = filled(most_per_class=1)
    assert (len(album), album.num_balanced, album.num_per_class) == (7, 6, 1)
    assert (len(filled()), filled().num_per_class) == (7, 2)


def test_samples_are_a_row_a_class() -> None:
    with Image.open(io.BytesIO(base64.b64decode(filled().samples_png(5)))) as picture:
        assert picture.size == (2 * 4 + 1, 3 * 4 + 2)
        assert [picture.getpixel(place) for place in ((0, 0), (5, 0), (0, 5), (5, 10))] == [0, 3, 11, 25]
    assert Album(3, 5).samples_png(5) == ""


class Source:
    address = "127.0.0.1:2"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch):
    def serve(first: str | None, second: str | None) -> None:
        async def find_pair(*_: object) -> Pair:
            return Pair(model("sequential", "ar", dtype=first), model("parallel", "gan", dtype=second), ())

        monkeypatch.setattr(callers, "find_pair", find_pair)

    return serve


async def test_its_modes_are_contrasted_with_each_other_and_keep_no_images(serve) -> None:
    serve("float32", "float32")
    twin = await pair_beside(Source(), PAIR, METER)  # type: ignore[arg-type]
    first, second = twin.modes
    assert twin.contrasts == (("sequential unary, both in float32", "parallel unary, both in float32"),)
    assert (first.name, second.name, first.has_images) == (*twin.contrasts[0], False)
    trials = []
    for number in range(3):
        for name, mode, seconds in (("sequential unary", first, 0.2), ("parallel unary", second, 0.05)):
            own = trial(name, 1, [seconds] * 10)
            trials += [(number, own), (number, replace(own, mode=mode))]
    document = made(findings(trials=trials, beside=twin))
    assert document.beside is not None
    ratios = {contrast.metric: contrast.ratio for contrast in document.beside.contrasts}
    assert ratios["latency_p50_seconds"] is not None
    assert ratios["latency_p50_seconds"].value == pytest.approx(4.0)
    assert [point.num_images for mode in document.modes for point in mode.curve] == [30, 30]


@pytest.mark.parametrize(("first", "second"), [("int8", "float32"), (None, None)])
async def test_a_pair_in_two_precisions_is_refused(serve, first: str | None, second: str | None) -> None:
    serve(first, second)
    with pytest.raises(ExpectedError, match="expected one precision for both"):
        await pair_beside(Source(), PAIR, METER)  # type: ignore[arg-type]
