"""CPU time of a process and of those that it has started."""

import subprocess
import sys

from benchmarks.harness.cpu import cpu, machine_cpu, settled_cpu

_BURN = "import time\nwhile time.process_time() < {}: pass\n"
_CHILD = _BURN.format(0.3) + "print('done', flush=True)\nimport sys; sys.stdin.read()"
_PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {_CHILD!r}])"


def test_descendants_count_and_are_told_apart_from_the_process_itself() -> None:
    command = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        used = settled_cpu(process.pid)
        before = cpu(process.pid)
        process.communicate()
    assert used.descendants >= 0.28
    assert used.total == used.own + used.descendants
    assert used.since(before).total <= 0
    assert cpu(process.pid).total == 0


def test_the_machine_has_used_what_any_of_its_processes_has() -> None:
    before = machine_cpu()
    subprocess.run([sys.executable, "-c", _BURN.format(0.3)], check=True)
    assert machine_cpu() - before >= 0.28
