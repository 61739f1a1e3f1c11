"""A checkpoint's weights, packed for the kernel one by one as they are read."""

import ctypes
from collections.abc import Callable

from services.ar.compute.memory import LargePages, floats
from services.ar.compute.native import library
from services.ar.compute.native.cache import FORMATS, CacheDtype, LayerCache
from services.ar.compute.native.packing import PackedMatrix, pack, pack_bias
from services.ar.compute.worker_pool import WorkerPool
from services.ar.model.arrays import Array
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.model.quantised import as_array
from services.ar.model.rotary import rotary_table
from services.ar.model.weights import read_parameters

FINE_POSITIONS = 48
"""From the first on, whose activations have 16 bits, not 8: what begins a short answer is then no matter of
rounding. It is a rule of positions alone, so no output depends on what runs beside it, on cuts or on caches."""
ALL_POSITIONS = 2**31 - 1
_ALTERNATING = "mlp.gate_up"


class Parameters:
    """Holds a model's packed weights; `dtype` is one that `pack` takes. Raises ModelError."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        dtype: str,
        num_positions: int,
        report: Callable[[float], None],
        kernel: ctypes.CDLL,
        fine_positions: int = FINE_POSITIONS,
        num_threads: int = 1,
    ) -> None:
        self.config: ModelConfig = checkpoint.config
        self._fine_positions = fine_positions
        self._matrices: dict[str, PackedMatrix] = {}
        self._vectors: dict[str, Array] = {}
        self._pages = LargePages()
        with WorkerPool(num_threads) as pool:
            for name, parts in read_parameters(checkpoint, report):
                alternate = _ALTERNATING in name
                if parts[0].shape[1:]:
                    matrix = pack(parts, dtype, kernel, alternate, pool.add, self._pages.empty)
                    self._matrices[name.removesuffix(".weight")] = matrix
                elif name.endswith(".bias"):
                    self._vectors[name] = pack_bias([as_array(part) for part in parts], alternate)
                else:
                    self._vectors[name] = floats(as_array(parts[0]))
        for prefix, is_local in (("", False), ("local_", True))[: 1 + any(self.config.local_layers)]:
            table = rotary_table(self.config, num_positions, is_local)
            self._vectors[f"{prefix}cos"], self._vectors[f"{prefix}sin"] = map(floats, table)

    def enlarge_pages(self) -> None:
        """Bring the matrices into large pages; steps may be computed with them meanwhile."""
        self._pages.enlarge()

    @property
    def num_bytes(self) -> int:
        matrices, vectors = self._matrices.values(), self._vectors.values()
        return sum(matrix.num_bytes for matrix in matrices) + sum(vector.nbytes for vector in vectors)

    def model(
        self,
        caches: list[LayerCache],
        cache_dtype: CacheDtype,
        num_blocks: int,
        block_size: int,
        max_rows: int,
        max_context_tokens: int,
    ) -> library.Model:
        """Return the kernel's view of weights and of each layer's cache. `self` and the caches must outlive it."""
        config = self.config
        layers = (library.Layer * config.num_layers)(*(self._layer(i, cache) for i, cache in enumerate(caches)))
        return library.Model(
            num_layers=config.num_layers,
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads,
            head_dim=config.head_dim,
            hidden_size=config.hidden_size,
            num_blocks=num_blocks,
            block_size=block_size,
            cache_format=FORMATS[cache_dtype],
            max_rows=max_rows,
            max_context_tokens=max_context_tokens,
            fine_positions=self._fine_positions,
            norm_eps=config.norm_eps,
            embedding_scale=config.embedding_scale,
            has_gelu=config.activation == "gelu_tanh",
            norm=self._address("norm.weight"),
            layers=ctypes.cast(layers, ctypes.POINTER(library.Layer)),
            embedding=self._matrix("embedding"),
            head=self._matrix("embedding" if config.ties_embeddings else "head"),
        )

    def _layer(self, index: int, cache: LayerCache) -> library.Layer:
        prefix, local = f"layers.{index}.", "local_" * self.config.is_local(index)
        return library.Layer(
            attention_norm=self._address(f"{prefix}attention_norm.weight"),
            mlp_norm=self._address(f"{prefix}mlp_norm.weight"),
            query_norm=self._address(f"{prefix}attention.query_norm.weight"),
            key_norm=self._address(f"{prefix}attention.key_norm.weight"),
            attention_output_norm=self._address(f"{prefix}attention_output_norm.weight"),
            mlp_output_norm=self._address(f"{prefix}mlp_output_norm.weight"),
            cos=self._address(f"{local}cos"),
            sin=self._address(f"{local}sin"),
            sliding_window=self.config.window(index) or 0,
            qkv=self._matrix(f"{prefix}attention.qkv"),
            out=self._matrix(f"{prefix}attention.out"),
            gate_up=self._matrix(f"{prefix}mlp.gate_up"),
            down=self._matrix(f"{prefix}mlp.down"),
            keys=_data(cache.keys),
            values=_data(cache.values),
            key_scales=_data(cache.key_scales),
            value_scales=_data(cache.value_scales),
        )

    def _matrix(self, name: str) -> library.Matrix:
        return self._matrices[name].struct(self._vectors.get(f"{name}.bias"))

    def _address(self, name: str) -> int | None:
        return _data(self._vectors.get(name))


def _data(array: Array | None) -> int | None:
    return None if array is None else array.ctypes.data
