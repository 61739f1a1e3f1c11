"""`tandem gateway config`: what the gateway would run, from the settings that it would have."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_flags_variables_and_file_all_count(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tandem.toml").write_text("[gateway]\nmax_in_flight = 7\n")
    monkeypatch.setenv("TANDEM_GAN_TARGETS", "10.0.0.9:1")
    result = RUNNER.invoke(app, ["gateway", "config", "--ar-targets", "10.0.0.8:2", "--port", "1234"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)["static_resources"]
    clusters = {each["name"]: json.dumps(each) for each in found["clusters"]}
    assert '"10.0.0.8"' in clusters["sequential"]
    assert '"max_requests": 7' in clusters["sequential"]
    assert '"10.0.0.9"' in clusters["parallel"]
    assert found["listeners"][0]["address"]["socket_address"]["port_value"] == 1234


def test_a_bad_setting_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    result = RUNNER.invoke(app, ["gateway", "config", "--max-in-flight", "0"])
    assert result.exit_code == 2
    assert "max_in_flight" in result.output + capfd.readouterr().err


def test_written_files_are_what_envoy_accepts(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["gateway", "config", "--folder", str(tmp_path / "a folder"), "--port", "0"])
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "a folder" / "bootstrap.json").read_text())
    assert str(tmp_path) in written["admin"]["address"]["pipe"]["path"]
