"""From a checkpoint to the model that the kernel computes."""

import ctypes
import logging
from collections.abc import Callable
from pathlib import Path

from services.ar.compute.native.build import kernel_recipe
from services.ar.compute.native.cache import CacheDtype
from services.ar.compute.native.forward import NativeForward
from services.ar.compute.native.library import LANES, load
from services.ar.compute.native.parameters import FINE_POSITIONS, Parameters
from services.ar.model.checkpoint import Checkpoint
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.opening import open_compiled
from tandem.shared.compiled.recipe import LibraryUnavailable

logger = logging.getLogger(__name__)


def open_kernel(folder: Path, level: str | None = None) -> ctypes.CDLL:
    """Load the kernel kept in `folder`, by default for the best level of this processor.

    See `open_compiled`. Raises LibraryUnavailable.
    """
    return open_compiled(folder, kernel_recipe(level), load)


def open_native(
    checkpoint: Checkpoint,
    dtype: str,
    cache_dtype: CacheDtype,
    num_blocks: int,
    block_size: int,
    max_rows: int,
    max_context_tokens: int,
    num_threads: int,
    report: Callable[[float], None],
    fine_positions: int = FINE_POSITIONS,
) -> NativeForward:
    """Compile the kernel, if need be, and pack the weights as `dtype`, see `pack`.

    Raises LibraryUnavailable, ModelError.
    """
    if block_size % LANES:
        raise LibraryUnavailable(f"block_size {block_size} is not a multiple of {LANES}")
    library = open_kernel(cache_folder() / "kernels")
    parameters = Parameters(checkpoint, dtype, max_context_tokens, report, library, fine_positions, num_threads)
    name = library.tandem_instruction_set().decode()
    megabytes = parameters.num_bytes // 10**6
    form = "native kernel for %s, %d threads, %d MB of weights, keys and values in %s"
    logger.info(form, name, num_threads, megabytes, cache_dtype)
    return NativeForward(
        parameters, library, cache_dtype, num_blocks, block_size, max_rows, max_context_tokens, num_threads
    )
