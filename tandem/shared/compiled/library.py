"""The library for this process: the one that was compiled before, or a new one where that is missing or bad.

A file is checked, then loaded from the very descriptor that was checked. The digest in its name finds one that was cut
short or damaged, which would end the process by SIGBUS once mapped. It is not a signature: owner and mode are checked
against files of other users, not what access control lists or the operating system's policies add to them.
"""

import contextlib
import ctypes
import grp
import hashlib
import logging
import os
import pwd
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.recipe import CannotKeep, LibraryUnavailable, Recipe

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ROOT = 0


class BadLibrary(LibraryUnavailable):
    """A file that is not to be loaded; says why."""


def open_compiled(folder: Path, recipe: Recipe, load: Callable[[Path], T]) -> T:
    """Load the library kept in `folder`: what `load` makes of a path; it raises BadLibrary for one that is no good.

    One that is missing, damaged or planted is compiled again, and the log says so. Where `folder` cannot be written, or
    others can write there, it is compiled for this process alone. Raises LibraryUnavailable.
    """
    if (reason := distrust(folder)) is not None:
        logger.warning("%s: %s is neither taken from there nor kept, but compiled at each start", reason, recipe.what)
        return _compiled_for_now(recipe, load)
    bad: list[Path] = []
    for path in recipe.find(folder):
        try:
            return load(path)
        except BadLibrary as error:
            logger.warning("%s is compiled again: %s", recipe.what, error)
            bad.append(path)
    with recipe.lock(folder):
        for path in recipe.find(folder):
            if path not in bad:
                return load(path)  # another process has compiled it meanwhile
        return _compiled_again(folder, recipe, load, bad)


def _compiled_again(folder: Path, recipe: Recipe, load: Callable[[Path], T], bad: list[Path]) -> T:
    try:
        path = recipe.compile_into(folder)
    except CannotKeep as error:
        logger.warning("%s: it is compiled for this start alone", error)
        return _compiled_for_now(recipe, load)
    for other in bad:
        if other != path:
            with contextlib.suppress(OSError):
                other.unlink()
    return load(path)


def _compiled_for_now(recipe: Recipe, load: Callable[[Path], T]) -> T:
    try:
        with tempfile.TemporaryDirectory(prefix="tandem-compiled-") as folder:
            return load(recipe.compile_into(Path(folder)))  # once loaded, it needs its file no more
    except OSError as error:
        raise LibraryUnavailable(f"no temporary folder to compile {recipe.what} in: {error}") from None


def open_functions(recipe: Recipe) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Return the functions of the library in the user's cache twice: as they keep Python's lock, and as they let go.

    Raises LibraryUnavailable.
    """
    interface = recipe.interface
    assert interface is not None  # noqa: S101  it is for libraries that are described
    return open_compiled(cache_folder() / "kernels", recipe, lambda path: interface.bind(open_library(path)))


def open_library(path: Path) -> ctypes.CDLL:
    """Load a file that `build` has made. Raises BadLibrary if it is damaged, or others can have changed it."""
    descriptor = _open(path)
    try:
        _check(descriptor, path)
        # From here on the descriptor stays open: the loader knows a library by its name, so the same name must never
        # stand for another file.
        return ctypes.CDLL(_name(descriptor, path), use_errno=True)
    except BadLibrary:
        os.close(descriptor)
        raise
    except OSError as error:
        os.close(descriptor)
        raise BadLibrary(f"{path}: cannot be loaded: {error}") from None


def place_library(path: Path, to: Path) -> Path:
    """Return what another program is to load of a file that `build` has made: a copy of it at `to`.

    Where nothing may be run from there, as from /tmp in a container, it is the file itself. Raises BadLibrary as
    `open_library` does, LibraryUnavailable where the file may not be run either.
    """
    with open(_open(path), "rb") as file:
        _check(file.fileno(), path)
        if not _is_noexec(to.parent):
            file.seek(0)
            to.write_bytes(file.read())
            return to
    if _is_noexec(path.parent):
        raise LibraryUnavailable(f"{path.parent} and {to.parent} are mounted with noexec")
    return path


def _is_noexec(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_NOEXEC)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BadLibrary(f"{path}: {error.strerror}") from None


def _check(descriptor: int, path: Path) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise BadLibrary(f"{path}: not a regular file")
    if (reason := foreign(status)) is not None:
        raise BadLibrary(f"{path}: {reason}")
    with open(descriptor, "rb", closefd=False) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if path.stem.rpartition("-")[2] != digest:
        raise BadLibrary(f"{path}: its content is not what was compiled")


def _name(descriptor: int, path: Path) -> str:
    """Return the name of an open file for the loader, which opens by name; the path where there is no /proc."""
    name = f"/proc/self/fd/{descriptor}"
    return name if os.path.exists(name) else str(path)


def distrust(folder: Path) -> str | None:
    """Return why others can put files into `folder`, which need not exist yet; None if they cannot.

    The folders above count too: who may rename one of them can put another in its place. There, the sticky bit keeps
    others from doing so, as in /tmp.
    """
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        try:
            status = parent.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{parent}: {error.strerror}"
        is_guarded = parent != folder and bool(status.st_mode & stat.S_ISVTX)
        if (reason := foreign(status, is_guarded)) is not None:
            return f"{parent} {reason}"
    return None


def foreign(status: os.stat_result, is_guarded: bool = False) -> str | None:
    """Return why others can change the file or folder of this status, None if they cannot.

    `is_guarded` says that being allowed to write does not allow it.
    """
    if status.st_uid not in (_ROOT, os.geteuid()):
        return f"belongs to user {status.st_uid}"
    if is_guarded:
        return None
    if status.st_mode & stat.S_IWOTH:
        return "can be written by everybody"
    if status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid):
        return f"can be written by group {status.st_gid}"
    return None


def _is_private(group_id: int) -> bool:
    """Return whether the group is the user's alone: many Linux systems give each user one, of the user's name.

    With it goes a umask of 002, so that everything a user makes can be written by that group.
    """
    try:
        group, user = grp.getgrgid(group_id), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == user and set(group.gr_mem) <= {user}
