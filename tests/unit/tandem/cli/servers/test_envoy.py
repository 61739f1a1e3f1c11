"""What the command line tells of Envoy."""

from pathlib import Path

import pytest

from gateway.proxy.binary import find_envoy
from tandem.cli.servers.envoy import EnvoyCannotRun, version_of


def test_the_version_is_told() -> None:
    major, minor, _ = version_of(find_envoy()).split(".")
    assert (int(major), int(minor)) >= (1, 40)


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x02\x01\x01", b"#!/bin/sh\nexit 1\n"])
def test_a_binary_for_another_machine_cannot_run(tmp_path: Path, content: bytes) -> None:
    binary = tmp_path / "envoy"
    binary.write_bytes(content)
    binary.chmod(0o755)
    with pytest.raises(EnvoyCannotRun, match="does not run on this machine"):
        version_of(binary)
