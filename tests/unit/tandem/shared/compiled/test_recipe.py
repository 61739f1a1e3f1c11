"""Who holds a lock keeps other processes waiting; where there can be no lock, nothing waits."""

import subprocess
import sys

from tandem.shared.compiled.recipe import hold_lock

TRY = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'w'), getattr(fcntl, sys.argv[2]) | fcntl.LOCK_NB)"


def is_free(path, kind="LOCK_EX"):
    return not subprocess.run([sys.executable, "-c", TRY, path, kind], stderr=subprocess.DEVNULL).returncode


def test_a_lock_is_held_until_the_end_of_its_block(tmp_path):
    path = tmp_path / "a.lock"
    with hold_lock(path):
        assert not is_free(path, "LOCK_SH")
    with hold_lock(path, is_shared=True):
        assert is_free(path, "LOCK_SH")
        assert not is_free(path)
    assert is_free(path)


def test_without_a_folder_there_is_no_lock(tmp_path):
    with hold_lock(tmp_path / "none" / "a.lock"):
        pass
