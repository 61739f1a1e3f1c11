import sys

import pytest
from pydantic import Field

from runtime.settings import ProcessSettings
from tests.certificates import Authority

ANY = "0.0.0.0"  # noqa: S104


class DemoSettings(ProcessSettings):
    """A process of the tests."""

    port: int = Field(1000, ge=0, le=65535)
    """A port."""

    models: list[str] = ["a"]
    """Names."""


def from_command_line(monkeypatch, *arguments: str) -> DemoSettings:
    monkeypatch.setattr(sys, "argv", ["demo", *arguments])
    return DemoSettings.from_command_line("demo")


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_flags_beat_the_environment_which_beats_the_file_which_beats_the_default(monkeypatch, empty_folder):
    assert from_command_line(monkeypatch).port == 1000
    (empty_folder / "tandem.toml").write_text(
        "port = 2000\ndrain_seconds = 7\n[demo]\nport = 3000\n[other]\nport = 1\n"
    )
    assert (DemoSettings().port, DemoSettings().drain_seconds) == (3000, 7.0)
    monkeypatch.setenv("TANDEM_PORT", "4000")
    assert from_command_line(monkeypatch).port == 4000
    monkeypatch.setenv("TANDEM_DEMO_PORT", "4500")
    assert from_command_line(monkeypatch).port == 4500
    assert from_command_line(monkeypatch, "--port", "5000").port == 5000


def test_an_empty_variable_is_no_file(monkeypatch):
    for name in ("CERT", "KEY", "CLIENT_CA"):
        monkeypatch.setenv(f"TANDEM_TLS_{name}", "")
    assert from_command_line(monkeypatch).server_tls() is None


def test_a_bad_value_names_its_key_in_all_spellings(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        from_command_line(monkeypatch, "--port", "70000")
    message = capsys.readouterr().err
    assert "port (--port, TANDEM_PORT): '70000'" in message
    assert "less than or equal to 65535" in message


def test_what_is_no_toml_or_no_json_is_one_line(monkeypatch, empty_folder, capsys):
    for content, reason in (
        (b"port = \n", "not valid TOML: Invalid value (at line 1, column 8)"),
        (b"# caf\xe9\n", "not a text in UTF-8"),
        (b"demo = 3\n", "demo: 3: it should be a table, [demo]"),
    ):
        (empty_folder / "tandem.toml").write_bytes(content)
        assert refusal(monkeypatch, capsys) == f"tandem.toml: {reason}"
    (empty_folder / "tandem.toml").unlink()
    for variable in ("TANDEM_MODELS", "TANDEM_DEMO_MODELS"):
        monkeypatch.setenv(variable, "fashion-gan")
        line = 'models (--models, TANDEM_MODELS): \'fashion-gan\': Input should be a valid list, as in ["a", "b"]'
        assert refusal(monkeypatch, capsys) == line


def refusal(monkeypatch, capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit, match="2"):
        from_command_line(monkeypatch, *arguments)
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == "demo: bad setting"
    [line] = lines
    return line.strip()


def test_a_server_that_others_can_reach_does_not_start_open(monkeypatch, capsys):
    assert refusal(monkeypatch, capsys, "--host", ANY) == (
        "host: '0.0.0.0' can be reached from other machines, and nothing restricts access; set tls_client_ca (with"
        " tls_cert and tls_key), or bind to 127.0.0.1, or start it open to all with allow_open (--allow-open,"
        " TANDEM_ALLOW_OPEN=true)"
    )


def test_tls_alone_keeps_nobody_out(monkeypatch, capsys, tmp_path):
    identity = Authority(tmp_path, "ours").issue("server")
    flags = ("--host", ANY, "--tls-cert", str(identity.cert), "--tls-key", str(identity.key))
    assert refusal(monkeypatch, capsys, *flags).startswith("host: '0.0.0.0' can be reached")


def test_it_starts_with_mutual_tls(monkeypatch, tmp_path, caplog):
    tls = Authority(tmp_path, "ours").server(mutual=True)
    flags = ("--tls-cert", str(tls.identity.cert), "--tls-key", str(tls.identity.key), "--tls-client-ca")
    settings = from_command_line(monkeypatch, "--host", ANY, *flags, str(tls.client_ca))
    assert settings.server_tls() == tls
    settings.warn()
    assert not caplog.records


def test_it_starts_open_if_told_so_and_says_so(monkeypatch, caplog):
    monkeypatch.setenv("TANDEM_ALLOW_OPEN", "true")
    from_command_line(monkeypatch, "--host", ANY).warn()
    assert "open to all: anybody who can reach 0.0.0.0" in caplog.text
    assert from_command_line(monkeypatch, "--host", "::", "--allow-open").allow_open


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_ipv6_may_be_in_brackets(monkeypatch, host):
    assert from_command_line(monkeypatch, "--host", host).host == "::1"
