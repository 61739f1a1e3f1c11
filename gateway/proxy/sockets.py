"""The private folder of one gateway: the Unix sockets between its two processes, and Envoy's files."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sockets:
    """What is in the folder. Whoever can open these sockets is the gateway, so nobody else may enter the folder."""

    folder: Path

    @property
    def admin(self) -> Path:
        """Envoy's administration, which can do everything: see admin.py."""
        return self.folder / "admin.sock"

    @property
    def observer(self) -> Path:
        """The gateway's own gRPC server: access log, external authorisation, health and reflection."""
        return self.folder / "observer.sock"

    @property
    def http(self) -> Path:
        """The gateway's own HTTP server: page, metrics and the RPCs as JSON."""
        return self.folder / "http.sock"

    @property
    def internal(self) -> Path:
        """Envoy's listener for the gRPC calls that the HTTP server makes for its callers."""
        return self.folder / "internal.sock"

    @property
    def bootstrap(self) -> Path:
        """The file that Envoy starts with."""
        return self.folder / "bootstrap.json"

    def secret(self, name: str) -> Path:
        """Return the file that says where a certificate is; see tls.py."""
        return self.folder / f"{name}.json"

    @property
    def reload(self) -> Path:
        """A folder that Envoy watches: a file that is moved into it makes Envoy read the certificates again."""
        return self.folder / "reload"


@contextlib.contextmanager
def private_sockets() -> Iterator[Sockets]:
    """Make a folder that only this user can enter (mode 0700), and remove it with all that is in it at the end."""
    with tempfile.TemporaryDirectory(prefix="tandem-gateway-", ignore_cleanup_errors=True) as name:
        sockets = Sockets(Path(name))
        sockets.reload.mkdir()
        yield sockets
