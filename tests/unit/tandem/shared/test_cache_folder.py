"""Where downloads are kept."""

from tandem.shared.cache_folder import cache_folder


def test_where_downloads_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tandem"
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x"
