from pathlib import Path

import pytest

from services.common.whole_file import write_whole


def test_a_file_is_written_and_replaced_and_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.toml"
    write_whole(path, "first")
    path.chmod(0o640)
    write_whole(path, "second")
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.toml"
    write_whole(path, "first")

    def refuse(self, target):
        raise OSError("no")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        write_whole(path, "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
