"""Every sampler, called alike: logits [R, V] float32 and their rows in, tokens out."""

import ctypes
from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from services.ar.compute.native.forward import Histories, Rows
from services.ar.compute.native.library import open_kernel
from services.ar.compute.runner import Wanted
from services.ar.compute.torch.sampling import sample as torch_sample
from services.ar.engine.sequence import SampledToken
from services.ar.engine.step import LogitsRow
from tandem.shared.cache_folder import cache_folder

Sample: TypeAlias = Callable[[Tensor, list[LogitsRow]], list[SampledToken]]


def native_sample(
    logits: Tensor, rows: list[LogitsRow], num_threads: int = 2, level: str | None = None
) -> list[SampledToken]:
    logits = logits.contiguous()
    laid_out = Rows(Wanted(rows, list(range(len(rows))), logits.shape[1]), Histories())
    kernel = open_kernel(cache_folder() / "kernels", level)
    kernel.functions.sample(logits.data_ptr(), logits.stride(0), ctypes.byref(laid_out.struct), num_threads)
    return laid_out.tokens()


SAMPLERS: dict[str, Sample] = {"torch": torch_sample, "native": native_sample}
