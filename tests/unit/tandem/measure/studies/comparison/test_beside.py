"""What is measured beside the pair, in the same rounds: without images of its own; and what is refused."""

import pytest

from tandem.measure.studies.comparison import beside
from tandem.measure.studies.comparison.beside import pair_beside
from tandem.measure.studies.comparison.modes import Pair
from tandem.measure.studies.comparison.trials import Trial
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.studies.comparison.seen import METER, PAIR, findings, made, model, trial


class Source:
    address = "127.0.0.1:2"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch):
    def serve(first: str | None, second: str | None) -> None:
        async def find_pair(*_: object) -> Pair:
            return Pair(model("sequential", "ar", dtype=first), model("parallel", "gan", dtype=second), ())

        monkeypatch.setattr(beside, "find_pair", find_pair)

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
            trials += [(number, own), (number, Trial(mode, 1, own.record, own.spent))]
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
