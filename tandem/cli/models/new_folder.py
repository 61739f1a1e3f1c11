"""A new folder that is there as a whole, or not at all."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tandem.shared.errors import ExpectedError


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make the folder, to be filled inside; whatever ends that early removes it again. Raises ExpectedError."""
    try:
        folder.mkdir(parents=True)
        try:
            yield
        except BaseException:  # Ctrl-C is one
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise ExpectedError(f"{folder}: cannot be written: {error.strerror}") from None
