"""The compiled kernel as Python sees it: the functions of step.cpp, and the file that they are in."""

import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path

from services.ar.compute.native.build import kernel_recipe
from services.ar.compute.native.headers import headers
from tandem.shared.compiled.library_file import BadLibrary, open_library
from tandem.shared.compiled.opening import open_compiled

_FUNCTIONS = ("tandem_instruction_set", "tandem_pack", "tandem_open", "tandem_run", "tandem_sample", "tandem_close")


@cache
def load(path: Path) -> ctypes.CDLL:
    """Return the kernel with its functions' types set. A call lets go of Python's lock.

    Raises BadLibrary if the file is damaged, lacks a function, or others can have changed it.
    """
    library = open_library(path)
    if missing := [name for name in _FUNCTIONS if not hasattr(library, name)]:
        raise BadLibrary(f"{path}: has no function {', '.join(missing)}")
    library.tandem_instruction_set.restype = c_char_p
    library.tandem_pack.restype = None
    library.tandem_pack.argtypes = [POINTER(headers.Rows)]
    library.tandem_open.restype = c_void_p
    library.tandem_open.argtypes = [POINTER(headers.Model), c_int32]
    library.tandem_run.restype = None
    library.tandem_run.argtypes = [c_void_p, POINTER(headers.Step), POINTER(headers.Samples)]
    library.tandem_sample.restype = None
    library.tandem_sample.argtypes = [c_void_p, c_int64, POINTER(headers.Samples), c_int32]
    library.tandem_close.restype = None
    library.tandem_close.argtypes = [c_void_p]
    return library


def open_kernel(folder: Path, level: str | None = None) -> ctypes.CDLL:
    """Load the kernel kept in `folder`, by default for the best level of this processor.

    See `open_compiled`. Raises LibraryUnavailable.
    """
    return open_compiled(folder, kernel_recipe(level), load)
