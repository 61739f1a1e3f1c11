"""Which engines there are to choose from, and where they find the weights: one GGUF file, and what is made of it."""

import sys
from pathlib import Path

from benchmarks.peers.engine import Engine
from benchmarks.peers.ik_llama import IkLlama
from benchmarks.peers.installing import run
from benchmarks.peers.llama_cpp import LlamaCpp
from benchmarks.peers.openvino import OpenVino
from benchmarks.peers.transformers_batch import TransformersBatch
from benchmarks.peers.vllm_cpu import VllmCpu

PEERS = ("llama-q8_0", "llama-q4_1", "llama-q4_0", "ik-q8_0", "ik-q4_0", "openvino", "vllm", "transformers")


def write_weights(folder: Path, gguf: Path) -> Path:
    """Write what peers read in place of the GGUF file; return its folder. Raises CannotSetUp."""
    weights = folder / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "benchmarks.peers.weights", gguf, weights], weights / "log")
    return weights


def peer(name: str, folder: Path, gguf: Path) -> Engine:
    """Return one of PEERS, which lives under `folder`."""
    weights = folder / "weights"
    peers: dict[str, Engine] = {
        "llama-q8_0": LlamaCpp(folder, weights / "q8_0.gguf", "Q8_0"),
        "llama-q4_1": LlamaCpp(folder, gguf, "Q4_1"),
        "llama-q4_0": LlamaCpp(folder, weights / "q4_0.gguf", "Q4_0"),
        "ik-q8_0": IkLlama(folder, weights / "q8_0.gguf", "Q8_0"),
        "ik-q4_0": IkLlama(folder, weights / "q4_0.gguf", "Q4_0"),
        "openvino": OpenVino(folder, weights / "q8_0.gguf"),
        "vllm": VllmCpu(folder, weights / "huggingface"),
        "transformers": TransformersBatch(gguf),
    }
    return peers[name]
