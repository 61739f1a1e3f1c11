"""Whose files may run: those of this user and of root that nobody else can write."""

import grp
import os
import pwd
import stat
from types import SimpleNamespace

import pytest

from tandem.shared.compiled.library import distrust, foreign

OTHER = 54321
FILE = stat.S_IFREG


def status(mode: int, user: int, group: int = OTHER) -> os.stat_result:
    return os.stat_result((FILE | mode, 0, 0, 1, user, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "user", "reason"),
    [
        (0o644, 0, None),
        (0o644, os.geteuid(), None),
        (0o644, OTHER, f"belongs to user {OTHER}"),
        (0o600, OTHER, f"belongs to user {OTHER}"),
        (0o646, os.geteuid(), "can be written by everybody"),
        (0o664, os.geteuid(), f"can be written by group {OTHER}"),
        (0o666, 0, "can be written by everybody"),
    ],
)
def test_owner_and_mode_decide(mode, user, reason):
    assert foreign(status(mode, user)) == reason


@pytest.mark.parametrize(
    ("name", "members", "is_trusted"),
    [("ada", [], True), ("ada", ["ada"], True), ("ada", ["eve"], False), ("users", [], False)],
)
def test_a_group_that_is_the_users_alone_may_write(monkeypatch, name, members, is_trusted):
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name="ada"))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: SimpleNamespace(gr_name=name, gr_mem=members))
    assert (foreign(status(0o664, os.geteuid())) is None) == is_trusted


def test_a_folder_of_ones_own_is_trusted_whether_it_is_there_or_not(tmp_path):
    assert distrust(tmp_path) is None
    assert distrust(tmp_path / "not" / "yet") is None


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_folder_that_everybody_may_write_is_not(tmp_path, mode):
    tmp_path.chmod(mode)
    assert distrust(tmp_path) == f"{tmp_path} can be written by everybody"


def test_above_it_such_a_folder_is_only_with_the_sticky_bit(tmp_path):
    folder = tmp_path / "kernels"
    folder.mkdir()
    tmp_path.chmod(0o1777)
    assert distrust(folder) is None
    tmp_path.chmod(0o777)
    assert distrust(folder) == f"{tmp_path} can be written by everybody"


def test_behind_a_link_the_real_folders_count(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "kernels").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "open" / "kernels")
    assert distrust(tmp_path / "link") == f"{tmp_path / 'open'} can be written by everybody"
