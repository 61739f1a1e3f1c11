"""Whether the gateway's Envoy runs on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

_VERSION_SECONDS = 20


class EnvoyCannotRun(ChildProcessError):
    """Expected error: the binary is not one for this machine; the operator must install another."""


def envoy_version() -> str:
    """Return its version. Raises OSError, whose text says what is missing."""
    from gateway.proxy.binary import find_envoy

    return version_of(find_envoy())


def envoy_problem() -> str | None:
    """Return why there can be no gateway on this machine, None if there can be one."""
    try:
        envoy_version()
    except OSError as error:
        return str(error)
    return None


def version_of(binary: Path) -> str:
    """Return the version that the binary prints, as "1.40.0". Raises EnvoyCannotRun."""
    try:
        printed = subprocess.run(
            (str(binary), "--version"), check=True, capture_output=True, text=True, timeout=_VERSION_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvoyCannotRun(f"{binary} does not run on this machine: {error}") from None
    # PATH  version: COMMIT/VERSION/Clean/RELEASE/BoringSSL
    parts = printed.stdout.partition("version: ")[2].split("/")
    return parts[1] if len(parts) > 1 else "of unknown version"
