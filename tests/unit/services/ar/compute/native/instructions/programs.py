"""C++ programs that stand beside this file, compiled for an instruction set and run."""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

import services.ar.compute.native.build
from services.ar.compute.native.interface import INTERFACE
from tandem.shared.compiled.interface import HEADER

SOURCES = Path(services.ar.compute.native.build.__file__).parent
FLAGS = ("-std=c++20", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi", "-pthread")
LIMIT_SECONDS = 300


def tool(*names: str) -> str:
    """Return the path of the first of `names` that is there."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no {names[0]}; on Debian: apt-get install g++ g++-aarch64-linux-gnu qemu-user-static")
    return found


def here() -> str:
    return tool("g++", "clang++")


def program(folder: Path, name: str, compiler: str, flags: tuple[str, ...] = (), optimised: str = "-O1") -> Path:
    """Compile a program that stands beside this file."""
    made, source = folder / f"{Path(compiler).name}-{name}", Path(__file__).with_name(f"{name}.cpp")
    (folder / HEADER).write_text(INTERFACE.header())
    command = [compiler, *FLAGS, optimised, *flags, f"-I{SOURCES}", f"-I{folder}", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=LIMIT_SECONDS)
    return made


def printed(command: list[str]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@cache
def operations_of_plain_cpp() -> tuple[str, ...]:
    """Return what the operations print here; one process compiles them once."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(printed([str(program(Path(folder), "operations", here()))]))
