"""The compiled library for this process, made the first time; see `runtime.compiled`."""

import ctypes
from ctypes import c_char_p, c_uint64, c_void_p
from pathlib import Path

from runtime.compiled.library_file import open_library
from runtime.compiled.opening import open_compiled
from runtime.settings import cache_folder
from services.gan.native.build import latents_recipe


def open_latents() -> ctypes.PyDLL:
    """Return the functions of latents.cpp, which take microseconds and keep Python's lock. Raises LibraryUnavailable.

    Runs are bytes: three unsigned integers of 64 bits each, in this machine's order.
    """
    return open_compiled(cache_folder() / "kernels", latents_recipe(), _load)


def _load(path: Path) -> ctypes.PyDLL:
    library = open_library(path)
    quick = ctypes.PyDLL(library._name, handle=library._handle)
    for function in (quick.tandem_gan_latents, quick.tandem_gan_labels):
        function.restype, function.argtypes = None, [c_char_p, c_uint64, c_uint64, c_uint64, c_void_p]
    return quick
