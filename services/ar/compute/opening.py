"""What computes a model's steps, chosen by the device, the settings and what this machine can do; says what it took.

torch is imported only where it computes: its import takes seconds and 200 MB.
"""

import ctypes
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from services.ar.compute.native.forward import open_native
from services.ar.compute.native.packing import STORED
from services.ar.compute.native.parameters import ALL_POSITIONS, FINE_POSITIONS, CacheDtype, Sizes
from services.ar.compute.runner import Computation
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.draft_head import DraftHead
from services.ar.model.few_bits import round_to_four_bits
from services.ar.settings import ArSettings
from tandem.shared.compiled.recipe import LibraryUnavailable
from tandem.shared.models import ModelError

logger = logging.getLogger(__name__)

_KV_CACHE_TOKENS = 16_384
_CUDA_DRIVER = "libcuda.so.1"


def open_computation(
    checkpoint: Checkpoint,
    max_context_tokens: int,
    num_threads: int,
    settings: ArSettings,
    report: Callable[[float], None],
    kv_cache_dtype: CacheDtype | None = None,
    dtype: str | None = None,
    draft_head: DraftHead | None = None,
) -> Computation:
    """Read the weights into what computes with them; `report` is told the share read, 0 to 1.

    `kv_cache_dtype` and `dtype`: what the model's entry recommends. `draft_head` is for the native kernel alone.
    Raises ModelError.
    """
    with _enough_memory(settings):
        has_gpu = _has_gpu(settings)
        if not has_gpu and settings.kernel != "torch":
            try:
                return _native(
                    checkpoint, max_context_tokens, num_threads, settings, report, kv_cache_dtype, dtype, draft_head
                )
            except LibraryUnavailable as error:
                needs_kernel = settings.dtype in ("int8", "int4") or settings.kv_cache_dtype != "auto"
                if settings.kernel == "native" or needs_kernel:
                    raise ModelError(f"no native kernel: {error}") from None
                logger.warning("steps run as torch has them, several times slower: no native kernel, %s", error)
        if settings.dtype in ("int8", "int4"):
            raise ModelError(
                f"dtype: {settings.dtype} needs the native kernel, which is for CPUs; float32 and bfloat16 don't"
            )
        if settings.kv_cache_dtype != "auto":
            raise ModelError(
                f"kv_cache_dtype: {settings.kv_cache_dtype} needs the native kernel, which is for CPUs; torch holds"
                " keys and values as it computes them"
            )
        if find_spec("torch") is None:
            raise ModelError(
                "torch is not installed; it computes on GPUs, and on CPUs where the native kernel does not"
            )
        from services.ar.compute.torch.opening import open_torch

        device = "cuda" if has_gpu else "cpu"
        return open_torch(checkpoint, device, _num_blocks(settings), max_context_tokens, num_threads, settings, report)


@contextmanager
def _enough_memory(settings: ArSettings) -> Iterator[None]:
    """Raises ModelError where memory does not suffice."""
    try:
        yield
    except MemoryError:
        raise ModelError(
            f"the weights and a KV cache of {_num_blocks(settings) * settings.block_size} tokens do not fit the memory;"
            " kv_cache_tokens and max_context_tokens make the cache smaller"
        ) from None


def _has_gpu(settings: ArSettings) -> bool:
    """Return whether a GPU is to compute. Raises ModelError if one was asked for and there is none."""
    is_there = settings.device != "cpu" and _has_cuda()
    if settings.device == "cuda" and not is_there:
        raise ModelError("device: 'cuda' was asked for, but torch finds no CUDA device; run `tandem doctor`")
    return is_there


def _has_cuda() -> bool:
    """Return whether torch finds a CUDA device; it is not asked where there is no driver."""
    try:
        ctypes.CDLL(_CUDA_DRIVER)
    except OSError:
        return False
    if find_spec("torch") is None:
        return False
    from services.ar.compute.torch.opening import has_device

    return has_device()


def _num_blocks(settings: ArSettings) -> int:
    return -(-(settings.kv_cache_tokens or max(_KV_CACHE_TOKENS, settings.max_context_tokens)) // settings.block_size)


def _native(
    checkpoint: Checkpoint,
    max_context_tokens: int,
    num_threads: int,
    settings: ArSettings,
    report: Callable[[float], None],
    recommended_cache_dtype: CacheDtype | None,
    recommended_dtype: str | None,
    draft_head: DraftHead | None,
) -> Computation:
    dtype = (recommended_dtype or checkpoint.dtype) if settings.dtype == "auto" else settings.dtype
    if dtype == "int4" != checkpoint.dtype:
        checkpoint = round_to_four_bits(checkpoint)
    packed_as = STORED if dtype == checkpoint.dtype else dtype
    num_blocks = _num_blocks(settings)
    cache_dtype: CacheDtype = "float32" if dtype == "float32" else "float16"
    if settings.kv_cache_dtype != "auto":
        cache_dtype = settings.kv_cache_dtype
    elif recommended_cache_dtype is not None and packed_as == STORED and settings.activation_bits == "8":
        cache_dtype = recommended_cache_dtype
    fine_positions = FINE_POSITIONS if packed_as == STORED else 0  # weights rounded once more differ by more than that
    if settings.activation_bits == "16":
        fine_positions = ALL_POSITIONS
    max_drafts = 0 if draft_head is None else settings.max_num_sequences
    forward = open_native(
        checkpoint,
        Sizes(cache_dtype, num_blocks, settings.block_size, settings.max_batch_tokens, max_context_tokens, max_drafts),
        dtype=packed_as,
        num_threads=num_threads,
        report=report,
        fine_positions=fine_positions,
        draft_head=draft_head,
    )
    causes = {
        "digest": forward.kernel.digest,
        "activation_bits": settings.activation_bits,
        "kv_cache_dtype": cache_dtype,
    }
    return Computation(
        forward,
        num_blocks,
        "cpu",
        dtype,
        is_exact=True,
        kernel="native",
        kernel_causes=causes,
        has_draft_head=draft_head is not None,
    )
