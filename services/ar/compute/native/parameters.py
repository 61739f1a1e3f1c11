"""A checkpoint's weights, packed for the kernel one by one as they are read."""

import ctypes
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from services.ar.compute.memory import LargePages, floats, zeros
from services.ar.compute.native.interface import LANES, CacheFormat, DraftHead, Layer, Matrix, Model
from services.ar.compute.native.library import Kernel
from services.ar.compute.native.packing import CallEach, PackedMatrix, address_of, pack, pack_bias
from services.ar.model.arrays import FLOATS, Array
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.model.draft_head import DraftHead as HeadWeights
from services.ar.model.quantised import GROUP, as_array, rearrange
from services.ar.model.rotary import rotary_table
from services.ar.model.weights import read_parameters

T = TypeVar("T")
CacheDtype: TypeAlias = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Sizes:
    """What the cache is, and the largest step."""

    cache_dtype: CacheDtype
    num_blocks: int
    block_size: int
    max_rows: int
    max_context_tokens: int
    max_drafts: int = 0
    """Sequences that tokens are predicted of in a step, by a draft head."""


LayerCache = list[Array]
"""Keys and values [H_kv, num_blocks, ...]; with int8 the scales of both, too."""


def layer_cache(config: ModelConfig, sizes: Sizes) -> LayerCache:
    """Return an empty cache, which takes memory as it is used. Raises MemoryError."""
    blocks, size, dim = (config.num_kv_heads, sizes.num_blocks), sizes.block_size, config.head_dim
    if sizes.cache_dtype != "int8":
        shapes = (dim, size), (size, _fill_up(dim, LANES))
        return [zeros((*blocks, *shape), FLOATS[sizes.cache_dtype]) for shape in shapes]
    dim, byte, half = _fill_up(dim, GROUP), np.dtype(np.uint8), FLOATS["float16"]
    tensors = ((dim, size), byte), ((size, dim), byte), ((dim // GROUP, size), half), ((size,), half)
    return [zeros((*blocks, *shape), dtype) for shape, dtype in tensors]


def _fill_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


FINE_POSITIONS = 48
"""From the first on, whose activations have 16 bits, not 8: what begins a short answer is then no matter of
rounding. It is a rule of positions alone, so no output depends on what runs beside it, on cuts or on caches."""
ALL_POSITIONS = 2**31 - 1
_ALTERNATING = "mlp.gate_up"
# A layer's parts, in the order of `interface.Layer`.
_NORMS = (
    "attention_norm",
    "mlp_norm",
    "attention.query_norm",
    "attention.key_norm",
    "attention_output_norm",
    "mlp_output_norm",
)
_MATRICES = ("attention.qkv", "attention.out", "mlp.gate_up", "mlp.down")


class Parameters:
    """Holds a model's packed weights; `dtype` is one that `pack` takes. Raises ModelError."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        dtype: str,
        num_positions: int,
        report: Callable[[float], None],
        kernel: Kernel,
        fine_positions: int = FINE_POSITIONS,
        num_threads: int = 1,
        draft_head: HeadWeights | None = None,
    ) -> None:
        self.config: ModelConfig = checkpoint.config
        self._head = draft_head
        self._fine_positions = fine_positions
        self._matrices: dict[str, PackedMatrix] = {}
        self._vectors: dict[str, Array] = {}
        self._pages = LargePages()
        with workers(num_threads) as call_each:
            if draft_head is not None:
                self._pack_draft_head(draft_head, kernel, call_each)
            for name, parts in read_parameters(checkpoint, report):
                if draft_head is not None and name == self._output:
                    chosen = rearrange(parts[0], lambda rows: rows[draft_head.token_ids])
                    self._matrices["draft.output"] = pack([chosen], dtype, kernel, False, call_each, self._pages.empty)
                alternate = _ALTERNATING in name
                if parts[0].shape[1:]:
                    matrix = pack(parts, dtype, kernel, alternate, call_each, self._pages.empty)
                    self._matrices[name.removesuffix(".weight")] = matrix
                elif name.endswith(".bias"):
                    self._vectors[name] = pack_bias([as_array(part) for part in parts], alternate)
                else:
                    self._vectors[name] = floats(as_array(parts[0]))
        for prefix, is_local in (("", False), ("local_", True))[: 1 + any(self.config.local_layers)]:
            table = rotary_table(self.config, num_positions, is_local)
            self._vectors[f"{prefix}cos"], self._vectors[f"{prefix}sin"] = map(floats, table)

    def _pack_draft_head(self, head: HeadWeights, kernel: Kernel, call_each: CallEach) -> None:
        for name, parts in (("gate_up", [head.gate, head.up]), ("down", [head.down])):
            packed = pack(parts, "int8", kernel, name in _ALTERNATING, call_each, self._pages.empty)
            self._matrices[f"draft.{name}"] = packed
        self._vectors["draft.hidden_norm"], self._vectors["draft.token_norm"] = map(
            floats, (head.hidden_norm, head.token_norm)
        )

    def enlarge_pages(self) -> None:
        """Bring the matrices into large pages; steps may be computed with them meanwhile."""
        self._pages.enlarge()

    @property
    def num_bytes(self) -> int:
        matrices, vectors = self._matrices.values(), self._vectors.values()
        return sum(matrix.num_bytes for matrix in matrices) + sum(vector.nbytes for vector in vectors)

    def model(self, caches: list[LayerCache], sizes: Sizes) -> Model:
        """Return the kernel's view of weights and of each layer's cache. `self` and the caches must outlive it."""
        config = self.config
        self._layers = (Layer * config.num_layers)(*(self._layer(i, cache) for i, cache in enumerate(caches)))
        return Model(
            num_layers=config.num_layers,
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads,
            head_dim=config.head_dim,
            hidden_size=config.hidden_size,
            num_blocks=sizes.num_blocks,
            block_size=sizes.block_size,
            cache_format=CacheFormat[sizes.cache_dtype.upper()],
            max_rows=sizes.max_rows,
            max_drafts=sizes.max_drafts,
            max_context_tokens=sizes.max_context_tokens,
            fine_positions=self._fine_positions,
            norm_eps=config.norm_eps,
            embedding_scale=config.embedding_scale,
            has_gelu=config.activation == "gelu_tanh",
            norm=self._address("norm.weight"),
            layers=ctypes.addressof(self._layers),
            embedding=self._matrix("embedding"),
            head=self._matrix(self._output.removesuffix(".weight")),
            draft_head=self._draft_head(),
        )

    @property
    def _output(self) -> str:
        return "embedding.weight" if self.config.ties_embeddings else "head.weight"

    def _draft_head(self) -> DraftHead:
        if self._head is None:
            return DraftHead()
        norms = self._address("draft.hidden_norm"), self._address("draft.token_norm")
        matrices = (self._matrix(f"draft.{name}") for name in ("gate_up", "down", "output"))
        return DraftHead(*norms, *matrices, address_of(self._head.token_ids), len(self._head.token_ids))

    def _layer(self, index: int, cache: LayerCache) -> Layer:
        prefix, local = f"layers.{index}.", "local_" * self.config.is_local(index)
        return Layer(
            *(self._address(f"{prefix}{norm}.weight") for norm in _NORMS),
            self._address(f"{local}cos"),
            self._address(f"{local}sin"),
            self.config.window(index) or 0,
            *(self._matrix(f"{prefix}{name}") for name in _MATRICES),
            *map(address_of, cache),
        )

    def _matrix(self, name: str) -> Matrix:
        return self._matrices[name].struct(self._vectors.get(f"{name}.bias"))

    def _address(self, name: str) -> int | None:
        return address_of(self._vectors.get(name))


_TASKS_A_THREAD = 4
"""That may wait: enough that no thread is idle while the next ones are found."""


@contextmanager
def workers(num_threads: int) -> Iterator[CallEach]:
    """Yield a function that calls another one for each argument, in `num_threads` threads.

    It waits while too many calls are open; the end of the block waits for all. Both raise what a call raised.
    """
    threads = ThreadPoolExecutor(num_threads, "packing")
    calls: deque[Future[None]] = deque()

    def call_each(function: Callable[[T], None], arguments: Iterable[T]) -> None:
        for argument in arguments:
            calls.append(threads.submit(function, argument))
            if len(calls) > num_threads * _TASKS_A_THREAD:
                calls.popleft().result()

    try:
        yield call_each
        for call in calls:
            call.result()
    finally:
        threads.shutdown(cancel_futures=True)
