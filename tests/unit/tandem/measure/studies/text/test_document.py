"""From trials of a server whose steps' cost is known to what a document says of it."""

import pytest

from tandem.measure.report.prose import paragraphs
from tandem.measure.results.files import RESULT
from tandem.measure.results.text import Settings, TextMode, TextStudy
from tests.unit.tandem.measure.studies.text.imagined import LIMIT, MODEL, document, study, unmetered


@pytest.fixture(scope="module")
def found() -> TextStudy:
    return document()


def named(document: TextStudy, name: str) -> TextMode:
    return next(mode for mode in document.modes if mode.name == name)


def test_a_document_comes_back_as_it_was(found: TextStudy) -> None:
    assert RESULT.validate_json(found.model_dump_json()) == found
    assert found.is_sound


def test_every_mode_has_a_point_for_each_number_of_callers(found: TextStudy) -> None:
    assert [mode.name for mode in found.modes] == ["K = 1", "K = 2", "K = 3", "K = 4", "K = 8", "checked"]
    for mode in found.modes:
        assert [point.concurrency for point in mode.curve] == [1, 2, 4, 8, 16, 32, 64]
    alone = named(found, "K = 4").alone
    assert alone["tokens_per_second"].value == pytest.approx(194, rel=0.03)
    assert alone["ratio"].value == pytest.approx(4.0, rel=0.03)
    assert (alone["tokens_per_step"].value, alone["rows_per_step"].value) == (4, 8)
    assert alone["cpu_seconds_per_token"].value == pytest.approx(0.9 / alone["tokens_per_second"].value)


def test_what_the_loads_of_the_fit_foretell_is_what_the_others_measure(found: TextStudy) -> None:
    for name in ("K = 2", "K = 3", "K = 4", "K = 8"):
        mode = named(found, name)
        assert mode.predicted.keys() == {2, 8, 32, 64}
        assert mode.predicted_limit is not None
        assert mode.measured_limit is not None
        assert mode.predicted_limit.callers == pytest.approx(LIMIT, rel=0.05)
        assert mode.miss is not None
        assert mode.miss < 1.15
        for point in mode.curve:
            if point.concurrency in mode.predicted:
                rate = point.figures["tokens_per_second"].value
                assert mode.predicted[point.concurrency] == pytest.approx(rate, rel=0.05)


def test_what_is_checked_pays_as_long_as_it_brings_something(found: TextStudy) -> None:
    checked = named(found, "checked")
    assert checked.measured_limit is not None
    assert checked.measured_limit.kind == "stops"
    assert checked.measured_limit.callers == pytest.approx(7.6, rel=0.1)
    assert checked.miss is not None
    assert checked.miss < 1.1
    assert named(found, "K = 1").measured_limit is None
    assert checked.bits_per_token == named(found, "K = 1").bits_per_token


def test_steps_whose_rows_cost_nothing_always_pay_and_those_of_rows_alone_never_do() -> None:
    for cost, kind, said in (
        (lambda rows: 0.02 + 1e-7 * rows, "always", "still pays with 64 callers (predicted: above 64)"),
        (lambda rows: 0.001 * rows, "never", "does not pay from 2 callers on (predicted: below 2)"),
    ):
        made = document(study(cost))
        assert all(mode.miss == 1.0 for mode in made.modes if (mode.tokens_per_step or 0) > 1)
        mode = named(made, "K = 8")
        assert mode.measured_limit is not None
        assert mode.measured_limit.kind == kind
        assert f"K = 8 {said}" in paragraphs("text.explanation", made)[1]


def test_three_sentences_answer_the_question(found: TextStudy) -> None:
    alone, load, bits = paragraphs("text.explanation", found)
    assert alone == "One caller: K = 8 tokens a step is fastest, with 387 tokens/s, 7.9 times those of K = 1."
    assert load.startswith("Under load: K = 2 stops paying at 2")
    assert load.endswith("checked stops paying at 7.3 callers (predicted: 7.5).")
    assert bits == (
        "In bits, on 720 tokens of held text: K = 1 has 2.300 a token, 2.300 a byte; K = 2 has 2.600 a token, 2.600 a"
        " byte; K = 3 has 2.900 a token, 2.900 a byte; K = 4 has 3.200 a token, 3.200 a byte; K = 8 has 4.400 a token,"
        " 4.400 a byte; what is checked has those of K = 1."
    )


def test_without_the_counters_there_is_no_prediction_and_it_is_said_why() -> None:
    made = document(unmetered())
    assert made.reason == "steps and rows of K = 1, 1 at a time, are not known: it has no page"
    assert made.step is None
    assert all(mode.predicted == {} and mode.predicted_limit is None for mode in made.modes)
    assert named(made, "K = 2").measured_limit is not None
    assert paragraphs("text.caveats", made)[0] == f"Texts: there is no prediction: {made.reason}."


def test_a_model_that_takes_no_steps_has_two_modes() -> None:
    model = MODEL.model_copy(update={"takes_steps": False})
    made = document(study(model=model, settings=Settings(tokens_per_step=(1,))))
    assert [mode.name for mode in made.modes] == ["K = 1", "checked"]
    assert "K = 1 and what is checked is all there is" in paragraphs("text.caveats", made)[0]


def test_a_study_that_is_broken_off_has_what_it_had() -> None:
    made = study(num_rounds=1)
    made.trials, made.stop_reason = made.trials[:9], "broken off by hand"
    found = document(made)
    assert (found.is_partial, found.reason) == (True, "broken off by hand")
    assert [len(mode.curve) for mode in found.modes] == [7, 2, 0, 0, 0, 0]
    assert document(study(num_rounds=0)).modes[0].alone == {}
    assert paragraphs("text.explanation", document(study(num_rounds=0)))[0].startswith("In bits")
