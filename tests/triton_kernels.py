"""What the GPU's kernels take of a processor: registers, spilled bytes and shared memory, as ptxas compiles them.

`python -m tests.triton_kernels sm_90` compiles for that architecture what the engine launches in decode steps and for a
prompt, on this machine, which needs Triton and no card. It prints a JSON object: kernel and type of the model ->
resource -> number, the most of its variants.
"""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from itertools import product
from types import SimpleNamespace
from typing import NamedTuple

import torch

from services.ar.compute.cuda.forward import CudaForward
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.transformer import Transformer
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work
from services.ar.model.config import ModelConfig

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")


class Resources(NamedTuple):
    """Of a thread, and shared memory of a program."""

    registers: int
    shared_bytes: int
    spilled_bytes: int = 0


BOUNDS = {
    f"{kernel}, {dtype}": Resources(registers, shared_bytes)
    for kernel, dtype, registers, shared_bytes in (
        ("attend of single rows", "bfloat16", 96, 40_960),
        ("attend of chunks", "bfloat16", 255, 82_944),
        ("attend of single rows", "float32", 96, 26_624),
        ("attend of chunks", "float32", 80, 26_624),
        *(("combine", dtype, 32, 1024) for dtype in ("bfloat16", "float32")),
        *(("write", dtype, registers, 0) for dtype, registers in (("bfloat16", 32), ("float32", 48))),
        *(("rotate", dtype, 24, 0) for dtype in ("bfloat16", "float32")),
        *(("gate", dtype, 32, 0) for dtype in ("bfloat16", "float32")),
    )
}
"""The most that a kernel may take on any of these; it may spill nothing."""

BLOCK_SIZE, NUM_CHUNK_TOKENS, MAX_CONTEXT_TOKENS, NUM_PROCESSORS = 16, 100, 2048, 132
# Heads and the width of the MLP of SmolLM2-135M and of Llama 3 8B; all else is small, as no kernel depends on it.
CONFIGS = [
    ModelConfig(64, 64, 1536, 1, 9, 3, 64, MAX_CONTEXT_TOKENS),
    ModelConfig(64, 64, 14336, 1, 32, 8, 128, MAX_CONTEXT_TOKENS),
]
DTYPES = ["bfloat16", "float32"]
KINDS = {True: " of single rows", False: " of chunks", None: ""}
PATTERNS = {"registers": r"Used (\d+) registers", "spilled_bytes": r"(\d+) bytes spill stores"}


def compile_instead_of_launching(arch: int, note: Callable[[str, dict[str, int]], None]) -> None:
    """Have Triton in this process compile kernels for an architecture and launch none; `note` is told what each takes
    when it is compiled.
    """
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    launch, target = JITFunction.run, GPUTarget("cuda", arch, 32)

    def compile_only(function, *arguments, grid, warmup, **options):
        with redirect_stdout(io.StringIO()) as log:
            kernel = launch(function, *arguments, grid=grid, warmup=True, **options)
        if text := log.getvalue():
            taken = {what: int(re.search(pattern, text)[1]) for what, pattern in PATTERNS.items()}
            taken["shared_bytes"] = kernel.metadata.shared
            note(function.__name__ + KINDS[options.get("IS_SINGLE")], taken)

    JITFunction.run = compile_only
    device = {"get_current_device": lambda: 0, "get_current_stream": lambda device: 0}
    driver.set_active(SimpleNamespace(get_current_target=lambda: target, **device))


@torch.inference_mode()
def run(config: ModelConfig, dtype: torch.dtype) -> None:
    """Run decode steps of up to 64 rows and a prompt, with random weights."""
    from services.ar.compute.cuda.attention import BlockAttention, KernelShapes
    from services.ar.compute.cuda.fused import fuse

    model = Transformer(config).to(dtype)
    model.prepare(MAX_CONTEXT_TOKENS)
    fuse(model)
    cache = KVCache(config, 64, BLOCK_SIZE, dtype, torch.device("cpu"))
    shapes = KernelShapes(config, BLOCK_SIZE, dtype, MAX_CONTEXT_TOKENS, NUM_PROCESSORS)
    attention = BlockAttention(shapes, cache)
    forward = CudaForward(model, cache, attention, MAX_CONTEXT_TOKENS, 256, 64, None)
    forward.start()
    sequence = Sequence([1] * NUM_CHUNK_TOKENS, SamplingParams())
    sequence.block_table = list(range(-(-NUM_CHUNK_TOKENS // BLOCK_SIZE)))
    forward(Layout([Work(sequence, NUM_CHUNK_TOKENS)], BLOCK_SIZE))


def resources(arch: int) -> dict[str, dict[str, int]]:
    """Return what kernels take; to be called once in a process."""
    found: dict[str, dict[str, int]] = {}

    def note(kernel: str, taken: dict[str, int]) -> None:
        name = f"{kernel}, {dtype}"
        found[name] = {what: max(number, found.get(name, taken)[what]) for what, number in taken.items()}

    compile_instead_of_launching(arch, note)
    for config, dtype in product(CONFIGS, DTYPES):
        run(config, getattr(torch, dtype))
    return found


def check(arch: str, tell: Callable[[str], object] = lambda line: None) -> list[str]:
    """Compile in a process of its own; tell what each kernel takes, and return what is over its bound."""
    environment = {**os.environ, "TRITON_DUMP_PTXAS_LOG": "1"}
    environment.pop("TRITON_INTERPRET", None)
    with tempfile.TemporaryDirectory() as folder:  # what is in a cache is not compiled
        environment["TRITON_CACHE_DIR"] = folder
        command = [sys.executable, "-m", "tests.triton_kernels", arch]
        found = json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    over = [f"{arch}: {name} has no bound" for name in found.keys() - BOUNDS.keys()]
    for name, bound in BOUNDS.items():
        taken = Resources(**found[name])
        line = f"{arch}: {name}: {taken}"
        tell(line)
        if taken.spilled_bytes or taken.registers > bound.registers or taken.shared_bytes > bound.shared_bytes:
            over.append(f"{line}, and may take {bound}")
    return over


if __name__ == "__main__":
    print(json.dumps(resources(int(sys.argv[1].removeprefix("sm_")))))
