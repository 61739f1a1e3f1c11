"""The private folder of one gateway: the Unix sockets between its two processes, and Envoy's files."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX, _LOCK = "tandem-gateway-", "lock"


class Sockets:
    """The sockets in `folder`, which only the gateway's user may enter: who opens them acts as the gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.admin = folder / "admin.sock"
        """Envoy's administration, which can do everything: see admin.py."""
        self.observer = folder / "observer.sock"
        """The gateway's own gRPC server: access log, external authorisation, health and reflection."""
        self.http = folder / "http.sock"
        """The gateway's own HTTP server: page, metrics and the RPCs as JSON."""
        self.oip = folder / "oip.sock"
        """The gateway's own gRPC server for clients of the Open Inference Protocol, but for its streams."""
        self.oip_streams = folder / "oip_streams.sock"
        """The same for streams: a server that can begin a reply before it has a message."""
        self.internal = folder / "internal.sock"
        """Envoy's listener for the gRPC calls that the HTTP server and the protocols make for their callers."""
        self.bootstrap = folder / "bootstrap.json"
        """The file that Envoy starts with."""
        self.sent_times = folder / "sent_times"
        """What the module in Envoy tells of replies, if there is one: see modules.py."""
        self.reload = folder / "reload"
        """A folder that Envoy watches: a file that is moved into it makes Envoy read the certificates again."""

    def secret(self, name: str) -> Path:
        """Return the file that says where a certificate is; see bootstrap.py."""
        return self.folder / f"{name}.json"


@contextlib.contextmanager
def private_sockets() -> Iterator[Sockets]:
    """Make a folder that only this user can enter (mode 0700), and remove it with all that is in it at the end.

    It also removes the folders of gateways that were killed: no process holds their locks.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (left / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        sockets = Sockets(Path(name))
        new = sockets.folder / f"{_LOCK}.new"
        with new.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            new.rename(sockets.folder / _LOCK)  # held before others can see it
            sockets.reload.mkdir()
            yield sockets
