"""`tandem keys new`: the entry opens with the key, and only the entry can be kept."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from gateway.access.api_keys import find, load_api_keys
from tandem.cli.main import app


def made(*words: str) -> tuple[str, str]:
    """Return the entry and the key."""
    result = CliRunner().invoke(app, ["keys", "new", *words])
    assert result.exit_code == 0
    return result.stdout, result.stderr.split()[-1]


def test_entries_of_a_file_open_with_their_keys(tmp_path: Path) -> None:
    alice, alices = made("alice", "--requests-per-minute", "60", "--tokens-per-minute", "7", "--images-per-minute", "8")
    bob, bobs = made("bob")
    path = tmp_path / "keys.toml"
    path.write_text(alice + bob)
    keys = load_api_keys(path)
    assert keys[0].per_minute() == {"request": 60, "token": 7, "image": 8}
    assert keys[1].per_minute() == {}
    assert [getattr(find(keys, secret), "name", None) for secret in (alices, bobs, "tdm_x")] == ["alice", "bob", None]
    assert alices not in alice


def test_a_bad_name_is_one_line_and_no_key() -> None:
    result = CliRunner().invoke(app, ["keys", "new", "a b"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: name: accepted: 1 to 64 letters, digits and . _ @ -\n"
