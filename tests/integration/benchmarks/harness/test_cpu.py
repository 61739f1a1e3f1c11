"""CPU time of a process and of those that it has started."""

import subprocess
import sys

from benchmarks.harness.cpu import cpu, settled_cpu

_CHILD = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\nsys.stdin.read()"
_PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {_CHILD!r}])"


def test_descendants_count_and_are_told_apart_from_the_process_itself() -> None:
    command = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        used, before = settled_cpu([process.pid]), cpu([process.pid])
        process.communicate()
    assert used.descendants >= 0.28
    assert used.total == used.own + used.descendants
    assert used.since(before).total <= 0
    assert cpu([process.pid]).total == 0
