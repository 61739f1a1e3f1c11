from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import GatewaySettings
from tests.certificates import Authority
from tests.integration.gateway.callers import keys_file


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_targets_come_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_AR_TARGETS", "a:1, b:2")
    monkeypatch.setenv("TANDEM_GAN_TARGETS", "")
    settings = GatewaySettings()
    assert settings.ar_targets == ["a:1", "b:2"]
    assert settings.gan_targets == []


@pytest.mark.parametrize(
    "flags", [["--ar-targets", "a:1,b:2"], ["--ar-targets", "a:1", "--ar-targets", "b:2"], ["--ar-targets=a:1,b:2"]]
)
def test_targets_from_flags(monkeypatch: pytest.MonkeyPatch, flags: list[str]) -> None:
    monkeypatch.setattr("sys.argv", ["gateway", *flags])
    assert GatewaySettings.from_command_line("gateway").ar_targets == ["a:1", "b:2"]


@pytest.mark.parametrize("targets", [["a"], ["a:b"], ["http://a:1"], ["a:1", "a:1"], [":1"], 5])
def test_bad_targets_are_refused(targets: object) -> None:
    with pytest.raises(ValidationError, match="ar_targets"):
        GatewaySettings(ar_targets=targets)  # type: ignore[arg-type]


def test_http_hosts_are_names_without_ports() -> None:
    assert GatewaySettings(http_hosts="Gateway.lan, tandem").http_hosts == ["gateway.lan", "tandem"]  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="not a host name without a port"):
        GatewaySettings(http_hosts=["gateway.lan:8080"])


def test_origins_are_those_that_browsers_send() -> None:
    origins = ["https://app.example.com", "http://[::1]:5173"]
    assert GatewaySettings(browser_origins="https://App.example.com, http://[::1]:5173").browser_origins == origins  # type: ignore[arg-type]
    for wrong in ("*", "null", "app.example.com", "https://app.example.com/", "https://*.example.com", "file://x"):
        with pytest.raises(ValidationError, match="is not an origin"):
            GatewaySettings(browser_origins=[wrong])


def test_nothing_is_open_to_all_by_mistake() -> None:
    with pytest.raises(ValidationError, match=r"set tls_client_ca .* or api_keys_file, or bind"):
        GatewaySettings(host="::")


def test_keys_in_the_clear_are_warned_of_where_others_may_listen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys, identity = keys_file(tmp_path), Authority(tmp_path, "ours").issue("server")
    GatewaySettings(api_keys_file=keys).warn()
    GatewaySettings(host="::", api_keys_file=keys, tls_cert=identity.cert, tls_key=identity.key).warn()
    assert not caplog.records
    GatewaySettings(host="::", api_keys_file=keys).warn()
    assert "API keys are not encrypted" in caplog.text


def test_a_bad_file_is_found_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"api_keys_file: .*nothing\.toml: no such file"):
        GatewaySettings(api_keys_file=tmp_path / "nothing.toml")
    with pytest.raises(ValidationError, match=r"backend_ca: .*there is no certificate in PEM format"):
        GatewaySettings(backend_ca=keys_file(tmp_path))
    identity = Authority(tmp_path, "ours").issue("gateway")
    with pytest.raises(ValidationError, match="backend_ca: not set, but a certificate to show is"):
        GatewaySettings(backend_cert=identity.cert, backend_key=identity.key)
