"""What compiles, or is no grammar, passes; what takes too long, or the whole stack, does not."""

import json
from collections.abc import Iterator

import pytest

from runtime.process.limited_work import LimitedWork, LimitMet
from services.ar.constraints.grammar import Constraint, grammar_of

SIMPLE = grammar_of(Constraint("regex", ("a+",)))
ENDLESS = grammar_of(
    Constraint("json_schema", (json.dumps({"patternProperties": {f"^[a-z]*{n}x+$": {} for n in range(1500)}}),))
)
DEEP = grammar_of(
    Constraint("lark", ("start: R0\n" + "\n".join(f'R{n}: ("x" R{n + 1})*' for n in range(3200)) + '\nR3200: "c"',))
)


@pytest.fixture
def trial() -> Iterator[LimitedWork]:
    trial = LimitedWork("services.ar.constraints.trial")
    yield trial
    trial.close()


def test_one_process_serves_all_that_compile_or_are_no_grammars(trial):
    trial.run(SIMPLE)
    (child,) = trial._children
    trial.run("no grammar at all")
    trial.run(SIMPLE)
    assert list(trial._children) == [child]


@pytest.mark.parametrize("grammar", [ENDLESS, DEEP], ids=["endless", "deep"])
def test_what_the_process_does_not_get_through_meets_a_limit_and_the_next_goes_on(trial, grammar):
    with pytest.raises(LimitMet):
        trial.run(grammar)
    trial.run(SIMPLE)
