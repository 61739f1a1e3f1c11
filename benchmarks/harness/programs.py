"""The backend without a model and the client for HTTP/1.1, compiled once for this machine, kept by their sources."""

import hashlib
import os
import platform
import subprocess
import tempfile
from pathlib import Path

from runtime.compiled.compiler import CompilerFailed, find_compiler
from runtime.compiled.trust import distrust
from runtime.process.process_group import run_in_group
from runtime.settings import cache_folder

_SOURCES = Path(__file__).parent / "native"
_FLAGS = ("-std=c++20", "-O2", "-Wall", "-Wextra")
_LIBRARIES = ("-lnghttp2",)
_LIMIT_SECONDS = 120.0


class ProgramUnavailable(Exception):
    """The program is not there and cannot be made; says why."""


def program(name: str, folder: Path | None = None) -> Path:
    """Return the path of the program `name` ("backend" or "http1"), compiling it if it is not in `folder` yet.

    `folder` defaults to "hop" in the user's cache. Raises ProgramUnavailable.
    """
    folder = folder or cache_folder() / "hop"
    path = folder / f"{name}-{platform.machine()}-{_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (reason := distrust(folder)) is not None:
            raise ProgramUnavailable(f"no program is run from {folder}: {reason}")
        if not path.is_file():
            _compile(_SOURCES / f"{name}.cpp", path)
    except OSError as error:
        raise ProgramUnavailable(f"{name} cannot be kept: {error}") from None
    return path


def _digest() -> str:
    digest = hashlib.sha256(" ".join((*_FLAGS, *_LIBRARIES)).encode())
    for source in sorted(_SOURCES.iterdir()):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _compile(source: Path, path: Path) -> None:
    """The program appears under its name in one step, when it is whole."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="building-") as scratch:
        made = Path(scratch) / path.name
        try:
            ended = run_in_group([find_compiler(), *_FLAGS, "-o", str(made), str(source), *_LIBRARIES], _LIMIT_SECONDS)
        except CompilerFailed as error:
            raise ProgramUnavailable(str(error)) from None
        except subprocess.TimeoutExpired:
            raise ProgramUnavailable(f"{source.name} was not compiled in {_LIMIT_SECONDS:g} s") from None
        if ended.returncode != 0:
            raise ProgramUnavailable(f"{source.name} does not compile: {_reason(ended.stderr)}")
        os.replace(made, path)


def _reason(output: str) -> str:
    if "nghttp2" in output and ("No such file" in output or "cannot find" in output):
        return "nghttp2 is missing; on Debian: apt-get install libnghttp2-dev"
    return next((line for line in output.splitlines() if "error" in line), "no error was printed")
