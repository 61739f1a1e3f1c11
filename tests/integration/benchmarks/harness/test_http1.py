"""The compiled client for HTTP/1.1 against a server of the standard library."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.harness.load import closed_loop, open_loop, poisson
from benchmarks.harness.processes import free_port
from benchmarks.harness.programs import program
from benchmarks.harness.run import LoadFailed, Target
from tandem.shared.compiled.recipe import LibraryUnavailable

Answer = Callable[[bytes], tuple[int, bytes]]


@pytest.fixture(scope="module")
def http1_client() -> Path:
    try:
        return program("http1")
    except LibraryUnavailable as error:
        pytest.skip(str(error))


@contextlib.contextmanager
def serving(answer: Answer) -> Iterator[tuple[int, list[object]]]:
    """Serve POST on a free port; yield it and the connections that were opened."""
    connections: list[object] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connections.append(self.connection)

        def do_POST(self) -> None:
            status, body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], connections
        finally:
            server.shutdown()
            thread.join()


def test_bodies_arrive_and_replies_come_back_over_kept_connections(http1_client: Path) -> None:
    requests = [b"one", b"", b"three" * 2_000]
    with serving(lambda body: (200, body[::-1])) as (port, connections):
        run = closed_loop(
            http1_client, Target(port, "/echo", requests), callers=3, seconds=60, most_requests=30, keep_replies=True
        )
    assert run.num_ok == len(run.status) == 30
    assert sorted(run.replies) == sorted([each[::-1] for each in requests] * 10)
    assert len(connections) == 3
    assert (run.sent <= run.first_message).all()
    assert (run.first_message <= run.ended).all()


def test_an_error_comes_with_its_status_and_is_no_success(http1_client: Path) -> None:
    with serving(lambda body: (429, b"full") if body == b"bad" else (200, body)) as (port, _):
        target = Target(port, "/", [b"bad", b"good"])
        run = closed_loop(http1_client, target, callers=2, seconds=60, most_requests=20)
    assert sorted(run.status) == [0.0] * 10 + [429.0] * 10


def test_what_it_cannot_do_is_told(http1_client: Path) -> None:
    with serving(lambda body: (200, body)) as (port, _):
        target = Target(port, "/", [b"x"])
        with pytest.raises(LoadFailed, match="closed loops alone"):
            open_loop(http1_client, target, poisson(10, 0.1, 0))
        with pytest.raises(LoadFailed, match="closed loops alone"):
            closed_loop(http1_client, target, callers=2, seconds=1, connections=1)
    with pytest.raises(LoadFailed, match="cannot connect"):
        closed_loop(http1_client, Target(free_port(), "/", [b"x"]), callers=1, seconds=1)
