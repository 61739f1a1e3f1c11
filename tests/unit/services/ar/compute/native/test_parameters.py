"""Work in threads while a checkpoint is read: all of it is done, not too much waits, and no error is lost."""

import threading

import pytest

from services.ar.compute.native.parameters import workers


def test_all_is_done_when_it_is_left_and_who_adds_too_much_waits():
    may_go_on, taken, done = threading.Event(), [], []

    def arguments():
        for number in range(100):
            taken.append(number)
            if number == 20:  # more than two threads may leave open
                may_go_on.set()
            yield number

    def work(number: int) -> None:
        may_go_on.wait(10)
        done.append(number)

    with workers(2) as call_each:
        adding = threading.Thread(target=call_each, args=(work, arguments()))
        adding.start()
        assert not may_go_on.wait(0.1)
        assert len(taken) < 20
        may_go_on.set()
        adding.join(10)
    assert sorted(done) == list(range(100))


def test_what_a_call_raises_is_raised_at_the_end():
    def fail(number: int) -> None:
        if number == 3:
            raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 3"), workers(1) as call_each:
        call_each(fail, range(4))


def test_an_error_of_the_block_drops_what_waits():
    may_go_on, done = threading.Event(), []

    def break_off() -> None:
        with workers(1) as call_each:
            call_each(lambda number: may_go_on.wait(10) and done.append(number), range(4))
            threading.Timer(0.05, may_go_on.set).start()
            raise KeyError("block")

    with pytest.raises(KeyError, match="block"):
        break_off()
    assert len(done) < 4
