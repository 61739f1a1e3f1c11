"""What is said of the terms of a comparison: what each model computed in, and what the pair gives in one precision."""

from tandem.measure.report.sentences.terms import terms
from tandem.measure.report.tables.comparison import terms_table
from tandem.measure.results.comparison import BesideResult, Comparison
from tests.unit.tandem.measure.report.conftest import a_comparison

FORM = {"runtime": "native", "num_instances": 2, "threads_per_instance": 1}


def with_forms(document: Comparison, *dtypes: str) -> Comparison:
    pairs = zip(document.models, dtypes, strict=True)
    return document.model_copy(
        update={"models": tuple(model.model_copy(update={"dtype": dtype, **FORM}) for model, dtype in pairs)}
    )


def test_without_a_precision_nothing_is_said() -> None:
    assert terms(a_comparison()) == ""


def test_forms_are_said_and_what_one_precision_gives() -> None:
    served = with_forms(a_comparison(), "int8", "bfloat16")
    assert terms(served) == "As served, ar computes in int8 on 2 threads and gan computes in bfloat16 on 2 threads."
    unary = tuple(mode for mode in served.modes if mode.delivery == "unary")
    models = with_forms(served, "float32", "float32").models
    contrasts = tuple(
        each for each in served.contrasts if each.first.endswith("unary") and each.second.endswith("unary")
    )
    form = "both in float32"
    beside = BesideResult(address="127.0.0.1:2", form=form, models=models, modes=unary, contrasts=contrasts)
    text = terms(served.model_copy(update={"beside": beside}))
    assert "Where both compute in float32 on 2 threads each, sequence costs" in text
    assert "times the wait" in text
    rows = [row.whole_cells for row in terms_table(served, beside).rows]
    assert [str(cell) for cell in rows[0]] == ["as served", "int8 native 2 x 1", "bfloat16 native 2 x 1", ""]
    assert len(rows) == 2 * (1 + 2 * 3)
