import os

from benchmarks.harness.processes import peak_mebibytes

NO_PROCESS = 2**30


def test_a_process_has_had_some_memory() -> None:
    assert peak_mebibytes(os.getpid()) > 1


def test_of_a_process_that_has_ended_nothing_is_known() -> None:
    assert peak_mebibytes(NO_PROCESS) == 0.0
