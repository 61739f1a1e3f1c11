"""What is said of a generator, and of what went wrong."""

from typing import Any

from tandem.measure.report.sentences.audits import audit_problem, audit_text, problems
from tandem.measure.results.audits import Audits
from tests.unit.tandem.measure.results.test_load import made


def audits(**given: Any) -> Audits:
    fields: dict[str, Any] = {"num_runs": 4, "num_repeated": 1, "invalid": (), "is_real_time": True}
    fields |= {"lateness_p50_seconds": 0.0002, "loop_lag_p50_seconds": None, "cpu_share": 0.25}
    return Audits.model_validate({**fields, **given})


def test_the_text_has_the_worst_run_and_is_empty_without_one() -> None:
    text = audit_text(audits())
    assert "in each of 4 runs: 1 repeated, 0 invalid; at worst 200 µs late and its event loop - (medians" in text
    assert text.endswith("25% of a core.")
    assert audit_text(audits(num_runs=0)) == ""


def test_runs_that_were_not_measured_well_are_a_problem() -> None:
    assert audit_problem(audits()) == ""
    found = audit_problem(audits(invalid=("alone: late",)))
    assert found.startswith("INVALID: the load generator was not good enough in 1 of 4 runs (1 were repeated)")
    assert found.endswith(": alone: late")


def test_all_that_is_wrong_is_said_the_worst_first() -> None:
    document = made(reason="the server is gone").document
    assert list(problems(document)) == ["PARTIAL: this measurement did not go to its end", "the server is gone"]
    assert list(problems(made().document)) == []
    late = made().document.model_copy(update={"audits": audits(invalid=("this run: late",))})
    assert not late.is_sound
    assert next(problems(late)).startswith("INVALID")
