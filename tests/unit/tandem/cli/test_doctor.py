"""`tandem doctor` tells the truth about this machine."""

import os
from pathlib import Path

import onnxruntime
from typer.testing import CliRunner

from tandem.cli import findings
from tandem.cli.main import app


def test_every_compiled_in_provider_is_tried() -> None:
    found = {finding.name.strip(): finding for finding in findings.libraries()}
    assert set(onnxruntime.get_available_providers()) <= set(found)
    assert found["CPUExecutionProvider"].value == "runs"
    assert found["CPUExecutionProvider"].is_well


def test_the_machine_is_described() -> None:
    found = {finding.name: finding.value for finding in findings.machine()}
    assert found["cores"].startswith(f"{len(os.sched_getaffinity(0))} usable")
    assert "GiB" in found["memory"]


def test_the_whole_report(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--models-dir", str(tmp_path)])
    assert result.exit_code == 0
    for part in ("machine", "libraries", "ports", "models", "python", "port 50050", f"none in {tmp_path}/"[:40]):
        assert part in result.output
