"""The compiled library for this process, made the first time; see `tandem.shared.compiled`."""

import ctypes
import logging
from ctypes import POINTER, c_char_p, c_uint64, c_void_p
from functools import cache
from pathlib import Path

from services.gan.native.build import gan_recipe
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.library_file import open_library
from tandem.shared.compiled.opening import open_compiled
from tandem.shared.compiled.recipe import LibraryUnavailable

logger = logging.getLogger(__name__)

_POINTERS = POINTER(c_void_p), POINTER(c_uint64), POINTER(c_uint64)


@cache
def gan_library() -> ctypes.PyDLL | None:
    """Return the functions, which keep Python's lock, most for microseconds; None if they cannot be had.

    That is tried, and said, once a process. Runs of latents are bytes: three unsigned integers of 64 bits each, in this
    machine's order.
    """
    try:
        return open_compiled(cache_folder() / "kernels", gan_recipe(), _load)
    except LibraryUnavailable as error:
        logger.warning("latents are drawn in numpy, and each request takes longer: %s", error)
        return None


def _load(path: Path) -> ctypes.PyDLL:
    library = open_library(path)
    quick = ctypes.PyDLL(library._name, handle=library._handle)
    for function in (quick.tandem_gan_latents, quick.tandem_gan_labels):
        function.restype, function.argtypes = None, [c_char_p, c_uint64, c_uint64, c_uint64, c_void_p]
    quick.tandem_gan_quick_calls.restype = c_uint64
    quick.tandem_gan_quick_calls.argtypes = [c_char_p, c_uint64, c_char_p, c_uint64, c_void_p, c_uint64]
    quick.tandem_gan_open_replies.restype, quick.tandem_gan_open_replies.argtypes = c_void_p, []
    quick.tandem_gan_close_replies.restype, quick.tandem_gan_close_replies.argtypes = None, [c_void_p]
    quick.tandem_gan_replies.restype = c_void_p
    quick.tandem_gan_replies.argtypes = [c_void_p, c_void_p, c_char_p, c_uint64, *_POINTERS]
    return quick
