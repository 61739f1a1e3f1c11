"""CPU time of a process and of those that it has started: most of it is a child's here."""

import subprocess
import sys

from benchmarks.harness.cpu import cpu, settled_cpu

_CHILD = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\nsys.stdin.read()"
_PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {_CHILD!r}])"


def test_descendants_count() -> None:
    command = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        used, before = settled_cpu([process.pid]), cpu([process.pid])
        process.communicate()
    assert 0.28 <= used <= before
    assert cpu([process.pid]) == 0
