"""The backend without a model and the client for HTTP/1.1, compiled once for this machine, kept by their sources."""

from pathlib import Path

from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.recipe import LibraryUnavailable, Recipe
from tandem.shared.compiled.trust import distrust

_SOURCES = Path(__file__).parent / "native"
_FLAGS = ("-std=c++20", "-O2", "-Wall", "-Wextra")
_LIBRARIES = ("nghttp2",)


def program(name: str, folder: Path | None = None) -> Path:
    """Return the path of the program `name` ("backend" or "http1"), compiling it if it is not in `folder` yet.

    `folder` defaults to "hop" in the user's cache. Raises LibraryUnavailable.
    """
    folder = folder or cache_folder() / "hop"
    if (reason := distrust(folder)) is not None:
        raise LibraryUnavailable(f"no program is run from {folder}: {reason}")
    try:
        path = Recipe(name, name, _SOURCES, (f"{name}.cpp",), _FLAGS, _LIBRARIES).find_or_compile(folder)
    except LibraryUnavailable as error:
        hint = "; on Debian: apt-get install libnghttp2-dev" if "nghttp2" in str(error) else ""
        raise LibraryUnavailable(f"{error}{hint}") from None
    path.chmod(0o755)  # as a library it needs no right to run
    return path
