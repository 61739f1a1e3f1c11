"""The team of threads, compiled by itself under the sanitiser of threads."""

import shutil
import subprocess
from pathlib import Path

import pytest

import services.ar.compute.native.build

SOURCES = Path(services.ar.compute.native.build.__file__).parent


def test_loops_are_shared_without_a_race_and_each_place_is_done_once(tmp_path):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    program, source = tmp_path / "team", Path(__file__).with_name("team.cpp")
    flags = ("-std=c++20", "-O1", "-g1", "-fsanitize=thread", "-pthread")
    subprocess.run([compiler, *flags, f"-I{SOURCES}", "-o", str(program), str(source)], check=True, timeout=300)
    # Without a fixed layout of addresses, old sanitisers do not start on new kernels.
    command = [*(("setarch", "-R") if shutil.which("setarch") else ()), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
