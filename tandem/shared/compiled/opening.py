"""The library for this process: the one that was compiled before, or a new one where that is missing or bad."""

import contextlib
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tandem.shared.compiled.library_file import BadLibrary
from tandem.shared.compiled.recipe import CannotKeep, LibraryUnavailable, Recipe
from tandem.shared.compiled.trust import distrust

logger = logging.getLogger(__name__)

T = TypeVar("T")


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
