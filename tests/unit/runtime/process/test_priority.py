"""Nice values of single threads."""

import os
import sys
import threading

import pytest

from runtime.process.priority import give_way

NICEST = 19


def own_nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def in_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def before_and_after(steps: int) -> tuple[int, int, int]:
    before = own_nice()
    give_way(steps)
    return before, own_nice(), in_thread(own_nice)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no nice value of their own")
@pytest.mark.parametrize("steps", [0, 3, 40])
def test_a_thread_gives_way_with_those_that_it_starts_and_no_other(steps):
    here = own_nice()
    before, after, of_child = in_thread(lambda: before_and_after(steps))
    assert before == here
    assert after == of_child == min(before + steps, NICEST)
    assert own_nice() == here
