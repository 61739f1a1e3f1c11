import os

from benchmarks.harness.processes import PEAK, mebibytes

NO_PROCESS = 2**30


def test_a_process_has_had_at_least_what_it_has() -> None:
    found = mebibytes(os.getpid())
    assert found[PEAK] >= found["VmRSS"] > found["RssAnon"] > 1


def test_of_a_process_that_has_ended_nothing_is_known() -> None:
    assert mebibytes(NO_PROCESS) == {}
