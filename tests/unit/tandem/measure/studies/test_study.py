"""Groups take turns, and one is handed on only when all of it was measured; what ends a study is its reason."""

import numpy as np
import pytest

from tandem.measure.generator.generator import BrokenOff
from tandem.measure.studies.study import Study


async def test_groups_and_things_change_their_order_and_a_group_that_is_broken_off_is_left_out() -> None:
    measured: list[tuple[str, int]] = []

    async def measure(thing: str, number: int) -> str:
        if len(measured) == 16:
            raise BrokenOff("the server is gone")
        measured.append((thing, number))
        return f"{thing}{number}"

    study, whole = Study(), []
    with study.until_broken_off():
        async for number, results in study.rounds(["ab", "c"], range(10), np.random.default_rng(1), measure):
            whole.append((number, results))
    assert study.stop_reason == "the server is gone"
    assert [things for _, things in whole if "a" in things] == [{"a": f"a{n}", "b": f"b{n}"} for n in range(5)]
    assert sum(len(things) for _, things in whole) in (15, 16)
    orders = {"".join(thing for thing, round_number in measured if round_number == number) for number in range(5)}
    assert {order.index("a") < order.index("b") for order in orders} == {True, False}
    assert {order.index("c") == 0 for order in orders} == {True, False}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BrokenOff(), "broken off by hand"),
        (ChildProcessError("it died"), "it died"),
        (ConnectionRefusedError("refused"), "a metrics page is gone: refused"),
    ],
)
def test_what_ended_a_study_is_a_problem_of_its_document(error: Exception, reason: str) -> None:
    study = Study(problems=["a run was late"])
    with study.until_broken_off():
        raise error
    header = study.header("127.0.0.1:1", (), ["a request failed"])
    assert header["is_partial"]
    assert header["problems"] == (reason, "a run was late", "a request failed")
