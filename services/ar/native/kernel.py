"""The kernel for this process: the one that was compiled before, or a new one where that is missing or bad."""

import contextlib
import ctypes
import logging
import tempfile
from pathlib import Path

from services.ar.native.build import CannotKeep, KernelUnavailable, compiled, found
from services.ar.native.kernel_file import BadKernel
from services.ar.native.library import load
from services.ar.native.trust import distrust

logger = logging.getLogger(__name__)


def open_kernel(folder: Path, level: str | None = None) -> ctypes.CDLL:
    """Load the kernel kept in `folder`, for the best level of this processor unless told otherwise.

    One that is missing, damaged or planted is compiled again, and the log says so. Where `folder` cannot be written, or
    others can write there, the kernel is compiled for this process alone. Raises KernelUnavailable.
    """
    if (reason := distrust(folder)) is not None:
        logger.warning("%s: the kernel is neither taken from there nor kept, but compiled at each start", reason)
        return _compiled_for_now(level)
    bad: list[Path] = []
    for path in found(folder, level):
        try:
            return load(path)
        except BadKernel as error:
            logger.warning("the kernel is compiled again: %s", error)
            bad.append(path)
    return _compiled_again(folder, level, bad)


def _compiled_again(folder: Path, level: str | None, bad: list[Path]) -> ctypes.CDLL:
    try:
        path = compiled(folder, level)
    except CannotKeep as error:
        logger.warning("%s: it is compiled for this start alone", error)
        return _compiled_for_now(level)
    for other in bad:
        if other != path:
            with contextlib.suppress(OSError):
                other.unlink()
    return load(path)


def _compiled_for_now(level: str | None) -> ctypes.CDLL:
    try:
        with tempfile.TemporaryDirectory(prefix="tandem-kernel-") as folder:
            return load(compiled(Path(folder), level))  # once loaded, it needs its file no more
    except OSError as error:
        raise KernelUnavailable(f"no temporary folder to compile the kernel in: {error}") from None
