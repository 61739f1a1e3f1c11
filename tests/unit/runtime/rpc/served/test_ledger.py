"""What is kept of calls that have ended: given out once, the oldest dropped first, bounded in number and time."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.rpc.served.ledger import ServedLedger


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_call_is_given_out_once() -> None:
    ledger = ServedLedger()
    ledger.keep("a", b"1")
    ledger.keep("b", b"2")
    assert [ledger.take(each) for each in ("b", "b", "a", "c")] == [b"2", None, b"1", None]
    assert len(ledger) == 0


def test_of_two_tries_with_one_id_the_last_is_kept() -> None:
    ledger = ServedLedger(max_entries=2)
    for request_id, served in (("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", b"4")):
        ledger.keep(request_id, served)
    assert [ledger.take(each) for each in ("a", "b", "c")] == [b"3", None, b"4"]


def test_calls_without_an_id_and_with_a_monstrous_one_are_not_kept() -> None:
    ledger = ServedLedger()
    for request_id in ("", "x" * 129):
        ledger.keep(request_id, b"1")
    assert len(ledger) == 0


def test_what_is_too_old_is_dropped() -> None:
    clock = Clock()
    ledger = ServedLedger(max_age_seconds=60.0, clock=clock)
    ledger.keep("a", b"1")
    clock.now = 59.0
    ledger.keep("b", b"2")
    clock.now = 60.0
    assert [ledger.take("a"), ledger.take("b")] == [None, b"2"]


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
