"""A Docker engine of our own, with its data in a folder that goes with it. Never talks to another one."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

START_SECONDS = 60.0
COMMAND_SECONDS = 900.0
# Debian's, by their paths: another client may come first on the PATH.
DOCKER, COMPOSE = "/usr/bin/docker", "/usr/bin/docker-compose"


def run(*command: str, stdin: IO[bytes] | None = None, **environment: str) -> str:
    """Run a command with these variables, too, and return what it prints. Raises AssertionError with its errors."""
    done = subprocess.run(
        command,
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,
        timeout=COMMAND_SECONDS,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout.decode()}{done.stderr.decode()}"[-6000:]
    return done.stdout.decode().strip()


class Engine:
    """A running engine at a socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "docker.sock"

    def docker(self, *words: str, stdin: IO[bytes] | None = None) -> str:
        """Run the client and return what it prints. Raises AssertionError with its errors."""
        return self.run(DOCKER, *words, stdin=stdin)

    def run(self, *command: str, stdin: IO[bytes] | None = None) -> str:
        """Run a command that talks to this engine."""
        return run(*command, stdin=stdin, DOCKER_HOST=f"unix://{self.socket}", DOCKER_BUILDKIT="1")

    def inspect(self, name: str) -> Any:
        """Return what the engine knows of a container or image."""
        return json.loads(self.docker("inspect", name))[0]


@contextmanager
def docker_engine(folder: Path) -> Iterator[Engine]:
    """Run an engine in the network namespace of this thread."""
    engine = Engine(folder)
    command = [
        "dockerd",
        *("--data-root", str(folder / "data"), "--exec-root", str(folder / "run")),
        *("--host", f"unix://{engine.socket}", "--pidfile", str(folder / "pid")),
        # Of the range for tests (RFC 2544), so that no network of the machine's is meant.
        *("--bip", "198.18.0.1/24", "--default-address-pool", "base=198.18.16.0/20,size=24"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_up(engine, process, folder / "log")
        yield engine
    finally:
        process.terminate()
        process.wait(timeout=60)
        for mount in (folder / "run" / "netns" / "default", folder / "data"):
            subprocess.run(["umount", str(mount)], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_up(engine: Engine, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(AssertionError):
            engine.docker("version")
            return
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)
