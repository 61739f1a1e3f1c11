"""The scripts behind `make setup` and `make demo`, with stand-ins for the programs that they call."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.contract.pages import ROOT


def program(folder: Path, name: str, text: str) -> Path:
    """Write a shell script that stands in for a program."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n" if not text.startswith("#!") else text)
    path.chmod(0o755)
    return path


def run(script: str, *words: str, programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{programs}:/usr/bin:/bin", **variables}
    return subprocess.run([ROOT / "deploy" / script, *words], env=environment, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("user", "installs", "expected", "is_asked"),
    [
        ("1000", True, "note: for more speed and all measurements, run: sudo apt-get install two three\n", False),
        ("0", True, "", True),
        ("0", False, "note: the package {} could not be installed; what needs it is left out and says so\n", True),
    ],
)
def test_missing_packages_are_installed_or_named(
    tmp_path: Path, user: str, installs: bool, expected: str, is_asked: bool
) -> None:
    programs, asked = tmp_path / "programs", tmp_path / "asked"
    program(programs, "dpkg", '[ "$2" = one ]')  # the only package that is installed
    program(programs, "id", f"echo {user}")
    program(programs, "apt-get", f'for word in "$@"; do :; done; echo "$word" >>{asked}; exit {0 if installs else 1}')
    ended = run("system_packages.sh", "one", "two", "three", programs=programs)
    assert ended.returncode == 0, ended.stderr
    texts = [expected.format(name) for name in ("two", "three")] if "{}" in expected else [expected]
    begun = "installing Debian packages: two three\n" if is_asked else ""
    assert ended.stdout == begun + "".join(texts)
    assert (asked.read_text().split() if asked.exists() else []) == (["two", "three"] if is_asked else [])
