"""Whatever work does, it ends, and what comes next is done: by a process that was ready, where one is kept."""

import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from runtime.process.limited_work import LimitedWork, LimitMet
from tandem.shared.errors import Unavailable

MODULE = "tests.unit.runtime.process.work_of_every_kind"
LARGE = "x" * (1 << 20)  # more than a socket holds while nobody reads


@pytest.fixture
def limited() -> Iterator[LimitedWork]:
    limited = LimitedWork(MODULE, {"opening": LARGE}, num_spare=1)
    yield limited
    limited.close()


@pytest.fixture
def impatient() -> Iterator[LimitedWork]:
    impatient = LimitedWork(MODULE, num_spare=1, max_still_seconds=2.0)
    yield impatient
    impatient.close()


def children_of(limited: LimitedWork) -> list[int]:
    return [child.process.pid for child in limited._children]


def test_one_process_does_all_work_and_knows_its_opening(limited):
    first = limited.run("a")
    assert first[:2] == [{"opening": LARGE}, "a"]
    assert limited.run(LARGE)[1:] == [LARGE, first[2]]


@pytest.mark.parametrize("work", ["compute for ever", "fill the memory", "overflow the stack"])
def test_what_meets_a_limit_is_told_and_the_spare_goes_on(limited, work):
    limited.run("a")
    _, spare = children_of(limited)
    with pytest.raises(LimitMet, match="processor time"):
        limited.run(work)
    assert children_of(limited)[0] == spare
    assert len(children_of(limited)) == 2
    assert limited.run("b")[1:] == ["b", spare]


@pytest.mark.parametrize("end", [signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("work", ["a", LARGE], ids=["short", "long"])
def test_work_of_a_process_that_was_stopped_or_killed_goes_to_the_spare(impatient, end, work):
    impatient.run("a")
    first, spare = children_of(impatient)
    os.kill(first, end)
    if end == signal.SIGSTOP:
        os.waitpid(first, os.WUNTRACED)  # a moment passes before it stops
    assert impatient.run(work)[1:] == [work, spare]
    assert first not in children_of(impatient)


@pytest.mark.parametrize("work", ["stand still", "be killed"])
def test_work_that_stands_still_twice_is_given_up_and_told_not_to_be_at_fault(impatient, work):
    with pytest.raises(Unavailable):
        impatient.run(work)
    assert impatient.run("b")[1] == "b"


def test_a_process_whose_server_ends_before_it_is_ready_says_nothing():
    server, end = socket.socketpair()
    with end:
        child = subprocess.Popen([sys.executable, "-m", MODULE], stdin=end, stdout=end, stderr=subprocess.PIPE)
    with server:
        server.sendall(b"null\n")
    assert (child.communicate(), child.returncode) == ((None, b""), 0)


def test_a_process_that_does_not_start_is_no_fault_of_the_work():
    with pytest.raises(RuntimeError, match=r"python -m tests\.none does not start: exit code 1"):
        LimitedWork("tests.none").run("a")


def test_a_process_whose_work_nobody_waits_for_any_more_ends_by_itself(limited):
    limited.run("a")
    child = limited._children[0]
    child._send("compute for ever")
    assert child.process.wait(60) == -signal.SIGPROF


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "forgotten"])
def test_processes_end_when_they_are_closed_or_forgotten(is_closed):
    limited = LimitedWork(MODULE, num_spare=1)
    limited.start()
    processes = [child.process for child in limited._children]
    if is_closed:
        limited.close()
        limited.close()
    del limited
    gc.collect()
    assert [process.poll() is None for process in processes] == [False, False]
