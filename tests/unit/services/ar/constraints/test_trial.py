"""The child: it is there when it is wanted, ends what takes too long, and another one takes its place."""

import json
import resource
from collections.abc import Iterator

import pytest

from runtime.errors import TooComplex
from services.ar.constraints.constraint import Constraint
from services.ar.constraints.grammar import grammar_of
from services.ar.constraints.trial import Trial

SIMPLE = grammar_of(Constraint("regex", ("a+",)))
ENDLESS = grammar_of(
    Constraint("json_schema", (json.dumps({"patternProperties": {f"^[a-z]*{n}x+$": {} for n in range(1500)}}),))
)
DEEP = grammar_of(
    Constraint("lark", ("start: R0\n" + "\n".join(f'R{n}: ("x" R{n + 1})*' for n in range(3200)) + '\nR3200: "c"',))
)


@pytest.fixture
def trial() -> Iterator[Trial]:
    trial = Trial()
    yield trial
    trial.close()


def child_of(trial: Trial) -> int:
    assert trial._child is not None
    return trial._child.pid


def test_one_child_serves_all_that_compile_or_are_no_grammars(trial):
    trial.check(SIMPLE)
    first = child_of(trial)
    trial.check("no grammar at all")
    trial.check(SIMPLE)
    assert child_of(trial) == first


@pytest.mark.parametrize("grammar", [ENDLESS, DEEP], ids=["endless", "deep"])
def test_what_the_child_does_not_get_through_is_too_complex_and_the_next_child_goes_on(trial, grammar):
    trial.check(SIMPLE)
    first = child_of(trial)
    with pytest.raises(TooComplex, match="too long, or too much memory"):
        trial.check(grammar)
    trial.check(SIMPLE)
    assert child_of(trial) != first


def test_a_child_that_was_killed_is_replaced(trial):
    trial.check(SIMPLE)
    assert trial._child is not None
    trial._child.kill()
    trial._child.wait()
    trial.check(SIMPLE)


def test_close_ends_the_child(trial):
    trial.check(SIMPLE)
    child = trial._child
    assert child is not None
    trial.close()
    assert child.poll() is not None
    trial.close()


def test_a_child_whose_parent_is_gone_ends_by_itself(trial):
    """It reads no end of its input while it compiles, so its processor time is limited as well."""
    trial.check(SIMPLE)
    (soft, _) = resource.prlimit(child_of(trial), resource.RLIMIT_CPU)
    assert 0 < soft < 60
