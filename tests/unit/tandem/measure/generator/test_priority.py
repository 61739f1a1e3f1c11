"""The generator goes first where the system lets it, and says how it was scheduled either way."""

import os
import subprocess
import sys

import pytest

from tandem.measure.generator.priority import go_first
from tandem.measure.results.record import Record, Use
from tests.unit.tandem.measure.records import record, row

ASK = """
import os
from tandem.measure.generator.priority import go_first
print(go_first(), os.sched_getscheduler(0) == os.SCHED_RR)
"""
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="no such schedule elsewhere")


@linux_only
def test_what_it_says_is_how_the_system_schedules_it():
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["True", "True"], ["False", "False"])


@linux_only
def test_who_may_not_goes_on_as_before(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert not go_first()


@pytest.mark.parametrize(("is_real_time", "is_compiled"), [(False, True), (True, False)])
def test_it_is_in_the_record(is_real_time, is_compiled):
    use = Use(0.5, 2.0, 1000, is_real_time, is_compiled)
    assert Record.from_bytes(record([row(0, 1.0, 0.1)], use=use).to_bytes()).uses == (use,)
