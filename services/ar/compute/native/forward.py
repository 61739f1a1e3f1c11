"""The transformer computed by the kernel, on a CPU. Implements `runner.Forward`."""

import ctypes
import hashlib
import logging
import threading
import weakref
from array import array
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from services.ar.compute.memory import empty
from services.ar.compute.native.headers import LANES, headers
from services.ar.compute.native.library import open_kernel
from services.ar.compute.native.packing import STORED
from services.ar.compute.native.parameters import FINE_POSITIONS, CacheDtype, Parameters, layer_cache
from services.ar.compute.native.sampling.rows import Histories, Rows
from services.ar.compute.runner import Computed, Sampled, Wanted
from services.ar.engine.step import Layout, Work
from services.ar.model.checkpoint import Checkpoint
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.recipe import LibraryUnavailable

logger = logging.getLogger(__name__)

_FLOAT = np.dtype(np.float32)
_SMALL_PAGES_SECONDS = 1.0
"""From the start until weights come into large pages: the first steps, which make it warm, need all cores."""


class NativeForward:
    """Owns the cache and the kernel's threads, which begin with `start`; `block_size` is a multiple of LANES.

    A row's results have the same bits whatever is computed beside it.
    """

    def __init__(
        self,
        parameters: Parameters,
        kernel: ctypes.CDLL,
        *,
        cache_dtype: CacheDtype,
        num_blocks: int,
        block_size: int,
        max_rows: int,
        max_context_tokens: int,
        num_threads: int,
    ) -> None:
        config = parameters.config
        self._kernel = kernel
        self._num_threads = num_threads
        self._vocab_size = config.vocab_size
        self._parameters = parameters
        self._caches = [layer_cache(config, cache_dtype, num_blocks, block_size) for _ in range(config.num_layers)]
        self._model = parameters.model(
            self._caches,
            cache_dtype,
            num_blocks=num_blocks,
            block_size=block_size,
            max_rows=max_rows,
            max_context_tokens=max_context_tokens,
        )
        self._logits = empty((0, self._model.head.num_outputs), _FLOAT)
        self._max_logits_rows = 0
        self._histories = Histories()
        self._engine: int | None = None

    @property
    def kernel_digest(self) -> str:
        """Hexadecimal SHA-256 of the kernel's file."""
        with open(self._kernel._name, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def start(self) -> None:
        self._engine = self._kernel.tandem_open(ctypes.byref(self._model), self._num_threads)
        # Not at exit: a process that dies may be in the middle of a step.
        weakref.finalize(self, self._kernel.tandem_close, self._engine).atexit = False
        enlarging = threading.Timer(_SMALL_PAGES_SECONDS, _enlarge_pages, [weakref.ref(self._parameters)])
        enlarging.daemon = True
        enlarging.start()
        weakref.finalize(self, enlarging.cancel).atexit = False

    def kind(self, work: Work) -> int:
        return 0

    def __call__(self, layout: Layout) -> Computed:
        is_finite = self._run(layout, headers.Samples())
        return Computed(self._logits[: len(layout.logits_indices), : self._vocab_size], is_finite)

    def sampled(self, layout: Layout, wanted: Wanted) -> Sampled:
        rows = Rows(wanted, self._histories)
        is_finite = self._run(layout, rows.struct)
        return Sampled(rows.tokens(), is_finite)

    def _run(self, layout: Layout, samples: Any) -> list[bool]:
        num_rows, num_logits = len(layout.token_ids), len(layout.logits_indices)
        if self._max_logits_rows < num_logits:
            self._logits = empty((num_logits, self._model.head.num_outputs), _FLOAT)
            self._max_logits_rows = num_logits
        tables, block_tables = _tables(layout)
        columns = (layout.token_ids, layout.positions, tables, block_tables, layout.logits_indices)
        # Lighter than numpy's, as all of this is cold behind a step.
        arrays = [array("i", values) for values in columns]
        addresses = (values.buffer_info()[0] for values in arrays)
        is_finite = array("B", b"\1" * num_rows)
        step = headers.Step(num_rows, num_logits, *addresses, self._logits.ctypes.data, is_finite.buffer_info()[0])
        self._kernel.tandem_run(self._engine, ctypes.byref(step), ctypes.byref(samples))
        return list(map(bool, is_finite))


def open_native(
    checkpoint: Checkpoint,
    *,
    dtype: str = STORED,
    cache_dtype: CacheDtype,
    num_blocks: int,
    block_size: int,
    max_rows: int,
    max_context_tokens: int,
    num_threads: int = 1,
    report: Callable[[float], None] = lambda share: None,
    fine_positions: int = FINE_POSITIONS,
) -> NativeForward:
    """Compile the kernel, if need be, and pack the weights as `dtype`, see `pack`.

    Raises LibraryUnavailable, ModelError.
    """
    if block_size % LANES:
        raise LibraryUnavailable(f"block_size {block_size} is not a multiple of {LANES}")
    kernel = open_kernel(cache_folder() / "kernels")
    parameters = Parameters(checkpoint, dtype, max_context_tokens, report, kernel, fine_positions, num_threads)
    name, megabytes = kernel.tandem_instruction_set().decode(), parameters.num_bytes // 10**6
    form = "native kernel for %s, %d threads, %d MB of weights, keys and values in %s"
    logger.info(form, name, num_threads, megabytes, cache_dtype)
    return NativeForward(
        parameters,
        kernel,
        cache_dtype=cache_dtype,
        num_blocks=num_blocks,
        block_size=block_size,
        max_rows=max_rows,
        max_context_tokens=max_context_tokens,
        num_threads=num_threads,
    )


def _enlarge_pages(reference: weakref.ref[Parameters]) -> None:
    """Enlarge the pages of parameters that are still there."""
    parameters = reference()
    if parameters is not None:
        parameters.enlarge_pages()


def _tables(layout: Layout) -> tuple[list[int], list[int]]:
    """Return, for each row, where its block table begins, and the tables one after another."""
    starts = [*range(len(layout.decodes)), *(start for _, start in layout.chunks), len(layout.token_ids)]
    works = [*layout.decodes, *(work for work, _ in layout.chunks)]
    tables: list[int] = []
    block_tables: list[int] = []
    for work, (start, stop) in zip(works, pairwise(starts), strict=True):
        tables.extend([len(block_tables)] * (stop - start))
        block_tables.extend(work.sequence.block_table)
    return tables, block_tables
