"""The weights of the text model that is measured: the shipped GGUF file, and what peers read in place of it.

Those are the same weights in other types, by ik_llama.cpp's `llama-quantize`. A Q4_0 file that comes from one of 4 bits
is rounded twice: it is there for its speed.
"""

from pathlib import Path

from benchmarks.harness.backend import TEXT_MODEL
from benchmarks.harness.processes import ROOT
from benchmarks.peers.installing import environment, once, run
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelRepository

IK_LLAMA = ["ik-llama-cpp-python==0.1.5", "aiohttp>=3.12"]


def shipped_weights() -> Path:
    """Return the GGUF file of the text model that is measured."""
    return ModelRepository(ROOT / "models").get(TEXT_MODEL).transformer_path()


def describe_weights(gguf: Path) -> dict[str, str]:
    """Return what a result says of the model."""
    return {"model": TEXT_MODEL, "weights_sha256": sha256_of(gguf)}


def quantised(folder: Path, precision: str) -> Path:
    """Return where the file with every matrix in a precision is, once it is written under `folder`."""
    return folder / f"weights-{precision.lower()}" / "model.gguf"


def quantise(folder: Path, precision: str) -> Path:
    """Return that file, written once, or the shipped one if it has this precision. Raises CannotSetUp."""

    def write(target: Path) -> None:
        home = environment(folder / "ik_llama", IK_LLAMA).parents[1]
        (program,) = home.glob("lib/python*/site-packages/ik_llama_cpp/bin/llama-quantize")
        run([program, "--allow-requantize", "--pure", source, found, precision], target / "log")

    source, found = shipped_weights(), quantised(folder, precision)
    if source.stem.endswith(precision):
        return source
    once(found.parent, f"{IK_LLAMA[0]} {sha256_of(source)}", write)
    return found
