import sys

import pytest

from benchmarks.peers.installing import CannotSetUp, once, run


def test_what_is_installed_is_not_installed_again_until_the_recipe_changes(tmp_path):
    installed = []

    def install(folder):
        installed.append(sorted(path.name for path in folder.iterdir()))
        (folder / "program").touch()

    for recipe in ("1", "1", "2"):
        once(tmp_path / "peer", recipe, install)
    assert installed == [[], []]  # both times into an empty folder


def test_an_installation_that_failed_is_begun_anew(tmp_path):
    def fail(folder):
        (folder / "half").touch()
        raise CannotSetUp("no")

    with pytest.raises(CannotSetUp):
        once(tmp_path / "peer", "1", fail)
    once(tmp_path / "peer", "1", lambda folder: (folder / "program").touch())
    assert sorted(path.name for path in (tmp_path / "peer").iterdir()) == ["installed", "program"]


def test_a_command_that_fails_says_its_last_words(tmp_path):
    code = "print('first'); print('no compiler'); raise SystemExit(3)"
    with pytest.raises(CannotSetUp, match=r"ended with 3: no compiler \(see .*log\)"):
        run([sys.executable, "-c", code], tmp_path / "log")
    with pytest.raises(CannotSetUp, match="no-such-program is not installed"):
        run(["no-such-program"], tmp_path / "log")
