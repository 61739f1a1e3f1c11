"""Who can reach a server: this machine alone, or others as well."""

from tandem.shared.errors import ExpectedError


class OpenToAll(ExpectedError):
    """Expected error: a server would take anybody's requests from anywhere; `guards` are settings that prevent it."""

    def __init__(self, host: str, guards: str) -> None:
        super().__init__(
            f"host: {host!r} can be reached from other machines, and nothing restricts access; set {guards}, or bind"
            " to 127.0.0.1, or start it open to all with allow_open (--allow-open, TANDEM_ALLOW_OPEN=true)"
        )
