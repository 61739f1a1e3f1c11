"""llama.cpp: its server and its perplexity tool, built from source for this very CPU."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.completions import choices, completion
from benchmarks.peers.engine import Dialect, Engine, Need, Question
from benchmarks.peers.installing import once, run

# The package carries llama.cpp's source; the wheels that others build of it lack AVX-512.
PACKAGE = "llama-cpp-python==0.3.36"
CMAKE_FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
)
PROGRAMS = Path("llama_cpp/build/bin")
# Older ones take new processors for old ones, and what they make is up to twice as slow.
COMPILERS = (("gcc-15", "g++-15"), ("gcc-14", "g++-14"), ("gcc-13", "g++-13"))
TARGETS = ("llama-server", "llama-perplexity", "llama-tokenize")


def build(folder: Path) -> Path:
    """Build what is missing under `folder`; return where the programs are. Raises CannotSetUp."""
    once(folder / "llama_cpp", f"{PACKAGE} {CMAKE_FLAGS} {_compiler_flags()} {TARGETS}", _build)
    return folder / PROGRAMS


def _compiler_flags() -> list[str]:
    """Return the flags that choose the newest compiler here; none if there is only the default one."""
    for c, cxx in COMPILERS:
        if shutil.which(c) and shutil.which(cxx):
            return [f"-DCMAKE_C_COMPILER={c}", f"-DCMAKE_CXX_COMPILER={cxx}"]
    return []


def _build(folder: Path) -> None:
    log = folder / "log"
    pip = [sys.executable, "-m", "pip"]
    run([*pip, "download", "--no-deps", "--no-binary", "llama-cpp-python", "-d", folder, PACKAGE], log)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    (vendored,) = folder.glob("*/vendor/llama.cpp")
    run(["cmake", "-S", vendored, "-B", folder / "build", *CMAKE_FLAGS, *_compiler_flags()], log)
    jobs = str(os.cpu_count() or 1)
    run(["cmake", "--build", folder / "build", "-j", jobs, "--target", *TARGETS], log)


def _request(question: Question) -> bytes:
    # It names tokens with their probabilities alone, which cost time, so only where they are asked for.
    probabilities = {"n_probs": 1} if question.names_tokens else {}
    return completion(question, samplers=["top_k"], top_k=1, cache_prompt=question.use_cache, **probabilities)


def _tokens(messages: Sequence[bytes]) -> list[int]:
    told = [choice["logprobs"] for choice in choices(messages) if choice["logprobs"]]
    return [token["id"] for each in told for token in each["content"]]


DIALECT = Dialect("openai", "model", _request, _tokens)


def llama_cpp(folder: Path, weights: Path, precision: str) -> Engine:
    """Return llama-server, with as many slots as there are requests at a time, as it is fastest."""

    def set_up() -> dict[str, str]:
        server = build(folder) / "llama-server"
        version = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stderr
        return {"llama.cpp": f"{version.splitlines()[0].removeprefix('version: ')}, from {PACKAGE}"}

    def command(need: Need, port: int) -> tuple[str, ...]:
        size = need.num_sequences * need.num_context_tokens
        return (
            *(str(folder / PROGRAMS / "llama-server"), "-m", str(weights)),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("-t", str(os.cpu_count() or 1), "-np", str(need.num_sequences), "-c", str(size)),
            # Slots keep their prompt; a second copy of each in memory costs time and serves no workload here.
            *("--cache-ram", "0"),
        )

    return Engine(f"llama.cpp {precision}", DIALECT, set_up, command)
