"""How many files, sockets among them, a process may have open."""

import resource

_ENOUGH = 1 << 20


def raise_limit() -> int:
    """Let the process open as many as it may be allowed to, and return their number: shells often allow 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
