"""What is kept of calls that have ended: given out once, the oldest dropped first, bounded in number and time."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.rpc.served.ledger import ServedLedger


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_calls_without_an_id_and_with_a_monstrous_one_are_not_kept() -> None:
    ledger = ServedLedger()
    for request_id in ("", "x" * 129):
        ledger.keep(request_id, b"1")
    assert len(ledger) == 0


@given(
    ids=st.lists(st.integers(0, 30), max_size=80),
    steps=st.lists(st.floats(0.0, 30.0), min_size=80, max_size=80),
    max_entries=st.integers(1, 10),
)
def test_it_holds_the_last_calls_and_no_more(ids: list[int], steps: list[float], max_entries: int) -> None:
    clock, model = Clock(), {}
    ledger = ServedLedger(max_entries, 60.0, clock)
    for number, request_id in enumerate(ids):
        clock.now += steps[number]
        ledger.keep(str(request_id), b"%d" % number)
        model.pop(request_id, None)
        model[request_id] = (number, clock.now)
        assert len(ledger) <= max_entries
    kept = {each: number for each, (number, at) in list(model.items())[-max_entries:] if at > clock.now - 60.0}
    assert {each: ledger.take(str(each)) for each in range(31)} == {
        each: b"%d" % kept[each] if each in kept else None for each in range(31)
    }
