"""The limit of open files, raised as far as it may be."""

import subprocess
import sys


def test_the_limit_is_raised_to_what_is_allowed():
    program = (
        "import resource; from runtime.process.open_files import raise_limit;"
        "print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    shell = f'ulimit -n 900 && ulimit -Sn 300 && exec {sys.executable} -c "{program}"'
    assert subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout == "900 900 900\n"
