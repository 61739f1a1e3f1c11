"""Servers of benchmarks: ready when they say so, and nothing of them is left behind."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.harness import processes
from benchmarks.harness.processes import peak_mebibytes, running

_WITH_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""
_DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


def test_what_a_server_has_started_ends_with_it(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    command = [sys.executable, "-c", _WITH_A_CHILD, str(written)]
    with running(command, lambda: written.exists() and bool(written.read_text())) as process:
        child = int(written.read_text())
        assert psutil.pid_exists(child)
        assert peak_mebibytes(process.pid) > 1
    assert process.returncode is not None
    assert not psutil.pid_exists(child)
    assert peak_mebibytes(child) == 0


def test_a_server_that_takes_no_notice_of_sigterm_is_killed_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "END_SECONDS", 0.2)
    is_deaf = tmp_path / "deaf"
    command = [sys.executable, "-c", _DEAF, str(is_deaf)]
    with pytest.raises(RuntimeError, match="was killed"), running(command, is_deaf.exists) as process:
        pass
    assert process.returncode == -signal.SIGKILL


def test_a_server_that_ends_before_it_is_ready_is_told_with_what_it_said() -> None:
    command = [sys.executable, "-c", "print('no port left'); raise SystemExit(3)"]
    with pytest.raises(RuntimeError, match="no port left"), running(command, lambda: False):
        pass
