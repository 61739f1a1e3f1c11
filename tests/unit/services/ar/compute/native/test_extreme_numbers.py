"""The kernel's parts given NaN, infinities and the ends of a float, with undefined behaviour made an error."""

import shutil
import subprocess
from pathlib import Path

import pytest

import services.ar.compute.native.build

SOURCES = Path(services.ar.compute.native.build.__file__).parent
# Without optimisation no check is optimised away, and the compiler takes a third of the time.
FLAGS = ("-std=c++20", "-O0", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi", "-pthread")
SANITISER = ("-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover=all")


@pytest.mark.parametrize("processor", [(), ("-march=native",)], ids=["any", "this"])
def test_extreme_numbers_are_told_and_nothing_is_undefined(tmp_path, processor):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    program, source = tmp_path / "extreme_numbers", Path(__file__).with_name("extreme_numbers.cpp")
    command = [compiler, *FLAGS, *processor, *SANITISER, f"-I{SOURCES}", "-o", str(program), str(source)]
    subprocess.run(command, check=True, timeout=300)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
