import sys

import pytest
from pydantic import Field

from runtime.settings import ProcessSettings, cache_folder


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


def test_lists_are_json_or_repeated_flags(monkeypatch):
    assert from_command_line(monkeypatch, "--models", '["x", "y"]').models == ["x", "y"]
    assert from_command_line(monkeypatch, "--models", "x", "--models", "y").models == ["x", "y"]


def test_a_bad_value_names_its_key_in_all_spellings(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        from_command_line(monkeypatch, "--port", "70000")
    message = capsys.readouterr().err
    assert "port (--port, TANDEM_PORT): '70000'" in message
    assert "less than or equal to 65535" in message


def test_an_unknown_key_in_the_file_is_named(monkeypatch, empty_folder, capsys):
    (empty_folder / "tandem.toml").write_text("[demo]\nprot = 1\n")
    with pytest.raises(SystemExit, match="2"):
        from_command_line(monkeypatch)
    assert "prot" in capsys.readouterr().err


def test_where_downloads_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tandem"
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x"
