"""A llama of random weights is a model like any other, and loading it takes little more than what is kept of it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.loading.random_llama import LlamaShape, write_random_llama
from services.ar.compute.torch.kv_cache import CausalAttention
from services.ar.compute.torch.loading import load_transformer
from services.ar.model.cost import cost_of
from services.ar.model.weights import open_checkpoint

TINY = LlamaShape(2, 256, 4, 2, 512, 1024)
# Two thirds of its weights are the embedding and the head: what is made of a whole matrix would show.
WIDE = LlamaShape(2, 1024, 16, 4, 2048, 16_000)
# In a process of its own, whose peak is counted from where loading begins.
LOADING = """
import sys
from pathlib import Path
from runtime.settings import cache_folder
from services.ar.compute.native.opening import open_kernel
from services.ar.compute.native.packing import STORED
from services.ar.compute.native.parameters import Parameters
from services.ar.compute.torch.loading import load_transformer
from services.ar.model.weights import open_checkpoint

def mebibytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024

small, large = (open_checkpoint(Path(path)) for path in sys.argv[1:])
kernel = open_kernel(cache_folder() / "kernels")
Parameters(small, STORED, 16, lambda share: None, kernel, num_threads=2)  # what the first loading alone brings
Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
before = mebibytes("VmRSS")
held = Parameters(large, STORED, 16, lambda share: None, kernel, num_threads=2)
print(held.num_bytes / 2**20, mebibytes("VmHWM") - before)
"""


def test_it_computes_finite_logits(tmp_path):
    checkpoint = open_checkpoint(write_random_llama(tmp_path / "tiny.gguf", TINY))
    model = load_transformer(checkpoint, torch.float32, torch.device("cpu"))
    model.prepare(8)
    assert checkpoint.tokenizer.decode(checkpoint.tokenizer.encode("as it is").ids) == "as it is"
    for matrix in (model.layers[0].mlp.down.weight, model.head.weight):
        assert 0.5 < matrix.std() * matrix.shape[1] ** 0.5 < 2
    tokens = torch.arange(8)
    assert model.logits(model(tokens, tokens, CausalAttention())).isfinite().all()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux' /proc")
def test_loading_takes_little_more_than_what_is_kept(tmp_path):
    small = write_random_llama(tmp_path / "small.gguf", TINY)
    large = write_random_llama(tmp_path / "large.gguf", WIDE)
    command = [sys.executable, "-c", LOADING, str(small), str(large)]
    held, peak = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert held == pytest.approx(cost_of(open_checkpoint(large)).weights / 2**20, rel=0.01)
    assert held <= 1.05 * large.stat().st_size / 2**20
    # Two threads hold a piece each. Pages of the file, or one matrix as a whole in bytes, would be over it.
    assert peak < 1.6 * held
