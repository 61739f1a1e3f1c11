"""CUDA graphs of the decode step: captured once for each of a ladder of sizes, launched as one from then on."""

import logging
import time
from collections.abc import Callable
from functools import partial

import torch

logger = logging.getLogger(__name__)

Run = Callable[[], None]


def ladder(most: int) -> list[int]:
    """Return sizes up to `most`: 1, 2, 4, then multiples of 8, with steps of an eighth of the power of two below."""
    sizes, size = [size for size in (1, 2, 4) if size < most], 8
    while size < most:
        sizes.append(size)
        size += max(8, 1 << size.bit_length() - 4)
    return [*sizes, most]


class Capture:
    """Turns work into a graph and returns what launches it. The work must have run before, as it is.

    All graphs share one pool of memory: a captured step keeps nothing there that another may not overwrite.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> Run:
        graph = torch.cuda.CUDAGraph()
        # Other threads go on allocating meanwhile, on streams of their own.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"
        ):
            run()
        return graph.replay


class StepGraphs:
    """The decode step `run(size)` for each size of the ladder up to `most`; without `capture` it runs as it is."""

    def __init__(self, run: Callable[[int], None], most: int, capture: Callable[[Run], Run] | None) -> None:
        self._run = run
        self._sizes = ladder(most)
        self._capture = capture
        self._graphs: dict[int, Run] = {}

    def size_for(self, num_rows: int) -> int | None:
        """Return the size that steps of so many rows are filled up to; None if there are too many."""
        if self._capture is None:
            return num_rows if num_rows <= self._sizes[-1] else None
        return next((size for size in self._sizes if size >= num_rows), None)

    def warm_up(self, prepare: Callable[[int], None]) -> None:
        """Run each size, `prepare(size)` before it, and capture it: the largest first, whose memory does for all."""
        started = time.monotonic()
        for done, size in enumerate(reversed(self._sizes), 1):
            prepare(size)
            self._run(size)  # kernels are compiled, and libraries allocate what they keep
            if self._capture is not None:
                self._graphs[size] = self._capture(partial(self._run, size))
            if done % 8 == 0:
                logger.info("decode steps warm: %d of %d sizes", done, len(self._sizes))
        what = "captured as CUDA graphs" if self._graphs else "warm, without CUDA graphs"
        logger.info("decode steps of up to %d rows %s in %.1f s", self._sizes[-1], what, time.monotonic() - started)

    def __call__(self, size: int) -> None:
        graph = self._graphs.get(size)
        if graph is not None:
            graph()
        else:
            self._run(size)
