"""Installs what a peer needs into a folder of its own, once; knows pip, npm and Debian's archive, and no peer."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


class CannotSetUp(Exception):
    """Expected: a peer can't be had on this machine; the text says why, in a line."""


def once(folder: Path, recipe: str, install: Callable[[Path], None]) -> None:
    """Let `install` fill `folder`, unless that was done by the same recipe; what another one left is removed."""
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text() == recipe:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install(folder)
    stamp.write_text(recipe)


def run(command: list[str | Path], log: Path, folder: Path | None = None) -> None:
    """Run a command with its output in `log`. Raises CannotSetUp if it fails or is not there."""
    with log.open("ab") as output:
        try:
            status = subprocess.run(command, cwd=folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise CannotSetUp(f"{command[0]} is not installed") from None
    if status.returncode:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        words = " ".join(map(str, command[:3]))
        raise CannotSetUp(f"`{words} ...` ended with {status.returncode}: {''.join(last)[:300]} (see {log})")


def environment(folder: Path, requirements: list[str]) -> Path:
    """Make a virtual environment in `folder` with these packages and what they need, once; return its interpreter."""

    def install(folder: Path) -> None:
        run([sys.executable, "-m", "venv", folder / "venv"], folder / "log")
        pip = folder / "venv/bin/pip"
        run([pip, "install", "--disable-pip-version-check", *requirements], folder / "log")

    once(folder, str(requirements), install)
    return folder / "venv/bin/python"


def unpack_debian_package(name: str, folder: Path, log: Path) -> None:
    """Fetch a Debian package and unpack it into `folder`, without installing it."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["apt-get", "download", name], log, folder)
    (archive,) = folder.glob(f"{name}_*.deb")
    run(["dpkg", "-x", archive, folder], log)
    archive.unlink()


def npm_package(folder: Path, name: str) -> None:
    """Fetch a package of npm, without what it needs, and unpack it in `folder`, once."""

    def install(folder: Path) -> None:
        run(["npm", "pack", name], folder / "log", folder)
        (archive,) = folder.glob("*.tgz")
        run(["tar", "-xzf", archive], folder / "log", folder)

    once(folder, name, install)
