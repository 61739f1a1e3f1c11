"""The pair in one precision, served elsewhere: in the same rounds, without images of its own; and what is refused."""

import pytest

from tandem.measure.studies.comparison import beside
from tandem.measure.studies.comparison.beside import Beside, served_beside
from tandem.measure.studies.comparison.modes import Pair
from tandem.measure.studies.comparison.results import comparison
from tandem.measure.studies.comparison.trials import Trial
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.studies.comparison.seen import METER, PAIR, findings, model, settings, trial


class Source:
    address = "127.0.0.1:2"


def pair_in(first: str | None, second: str | None) -> Pair:
    forms = {"num_instances": 2, "threads_per_instance": 1}
    return Pair(model("sequential", "ar", dtype=first, **forms), model("parallel", "gan", dtype=second, **forms), ())


BESIDE = Beside(Source(), pair_in("float32", "float32"), METER)  # type: ignore[arg-type]


def test_its_modes_are_contrasted_with_each_other_and_keep_no_images() -> None:
    first, second = BESIDE.modes()
    assert [each.name for each in (first, second)] == [name for pair in BESIDE.contrasts() for name in pair]
    assert first.name == "sequential unary, both in float32"
    assert not first.has_images
    of = {"sequential unary": first, "parallel unary": second}
    trials = []
    for number in range(3):
        for name, seconds in (("sequential unary", 0.2), ("parallel unary", 0.05)):
            seen = trial(name, 1, [seconds] * 10)
            trials += [(number, seen), (number, Trial(of[name], 1, seen.record, seen.spent))]
    document = comparison("127.0.0.1:1", PAIR, settings(), findings(trials=trials, beside=BESIDE))
    assert document.beside is not None
    ratios = {each.metric: each.ratio for each in document.beside.contrasts}
    assert ratios["latency_p50_seconds"] is not None
    assert ratios["latency_p50_seconds"].value == pytest.approx(4.0)
    assert [each.num_images for mode in document.modes for each in mode.curve] == [30, 30]


@pytest.mark.parametrize(("first", "second"), [("int8", "float32"), (None, None)])
async def test_a_pair_in_two_precisions_is_refused(
    monkeypatch: pytest.MonkeyPatch, first: str | None, second: str | None
) -> None:
    async def find_pair(*_: object) -> Pair:
        return pair_in(first, second)

    monkeypatch.setattr(beside, "find_pair", find_pair)
    with pytest.raises(ExpectedError, match="expected one precision for both"):
        await served_beside(Source(), PAIR, METER)  # type: ignore[arg-type]
