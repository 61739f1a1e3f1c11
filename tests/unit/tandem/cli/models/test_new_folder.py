import errno
import os
from pathlib import Path

import pytest

from tandem.cli.models.new_folder import new_folder
from tandem.shared.errors import ExpectedError


def test_what_was_written_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "models" / "new"):
        (tmp_path / "models" / "new" / "a").touch()
    assert [path.name for path in (tmp_path / "models" / "new").iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("error", "told", "words"),
    [
        (KeyboardInterrupt("stopped"), KeyboardInterrupt, "stopped"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ExpectedError, "new: cannot be written: No space left"),
    ],
)
def test_nothing_is_left_of_what_was_not_finished(tmp_path: Path, error, told, words) -> None:
    def write() -> None:
        with new_folder(tmp_path / "new"):
            (tmp_path / "new" / "a").touch()
            raise error

    with pytest.raises(told, match=words):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(ExpectedError, match="new: cannot be written: File exists"), new_folder(tmp_path / "new"):
        pass
    assert (tmp_path / "new").is_dir()
