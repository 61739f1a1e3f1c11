"""The compiled kernel as Python sees it: its functions, and which file they are in."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from services.ar.compute.native.build import kernel_recipe
from services.ar.compute.native.interface import INTERFACE
from tandem.shared.compiled.library import BadLibrary, open_compiled, open_library


@dataclass(frozen=True)
class Kernel:
    """`functions` are those of `interface.INTERFACE`; a call lets go of Python's lock.

    `digest`: the hexadecimal SHA-256 of its file, which has that in its name.
    """

    digest: str
    functions: SimpleNamespace

    @property
    def instruction_set(self) -> str:
        return str(self.functions.instruction_set().decode())


@cache
def load(path: Path) -> Kernel:
    """Return a kernel. Raises BadLibrary if the file is damaged, lacks a function, or others can have changed it."""
    library = open_library(path)
    names = (INTERFACE.prefix + name for name in INTERFACE.functions)
    if missing := [name for name in names if not hasattr(library, name)]:
        raise BadLibrary(f"{path}: has no function {', '.join(missing)}")
    return Kernel(path.stem.rpartition("-")[2], INTERFACE.bind(library)[1])


def open_kernel(folder: Path, level: str | None = None) -> Kernel:
    """Load the kernel kept in `folder`, by default for the best level of this processor.

    See `open_compiled`. Raises LibraryUnavailable.
    """
    return open_compiled(folder, kernel_recipe(level), load)
