"""The backend without a model and the client for HTTP/1.1, compiled once for this machine, kept by their sources."""

import hashlib
import os
import platform
import tempfile
from pathlib import Path

from runtime.compiled.compiler import CompilerFailed, compile_sources, find_compiler
from runtime.compiled.trust import distrust
from runtime.settings import cache_folder

_SOURCES = Path(__file__).parent / "native"
_FLAGS = ("-std=c++20", "-O2", "-Wall", "-Wextra")
_LIBRARIES = ("nghttp2",)


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
            compile_sources(find_compiler(), [source], _FLAGS, _LIBRARIES, made, source.name)
        except CompilerFailed as error:
            hint = "; on Debian: apt-get install libnghttp2-dev" if "nghttp2" in str(error) else ""
            raise ProgramUnavailable(f"{error}{hint}") from None
        os.replace(made, path)
