"""Whether the gateway's Envoy runs on this machine."""

from __future__ import annotations


def envoy_version() -> str:
    """Return its version. Raises OSError, whose text says what is missing."""
    from gateway.proxy.binary import find_envoy, version_of

    return version_of(find_envoy())


def envoy_problem() -> str | None:
    """Return why there can be no gateway on this machine, None if there can be one."""
    try:
        envoy_version()
    except OSError as error:
        return str(error)
    return None
