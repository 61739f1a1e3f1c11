"""The engines that are measured beside ours, and where they find the weights: one GGUF file, and what is made of it."""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers import llama_cpp_server
from benchmarks.peers.engine import COMPLETIONS, Engine, Need
from benchmarks.peers.installing import environment

PEERS: dict[str, Callable[[Path], Engine]] = {
    "llama-q8_0": lambda folder: llama_cpp(folder, "Q8_0"),
    "llama-q4_0": lambda folder: llama_cpp(folder, "Q4_0"),
    "ik-q4_0": lambda folder: ik_llama(folder, "Q4_0"),
    "openvino": lambda folder: openvino(folder, "OpenVINO int8", "Q8_0"),
    "openvino-q4_0": lambda folder: openvino(folder, "OpenVINO from Q4_0", "Q4_0"),
}
"""The libraries on 4 and 8 bits that were fastest at something, and llama.cpp on both; each lives under a folder."""


def llama_cpp(folder: Path, precision: str) -> Engine:
    """Return llama.cpp's release library behind an HTTP server of ours, in our environment."""

    def set_up() -> dict[str, str]:
        llama_cpp_server.install(folder)
        return {"llama.cpp": f"{llama_cpp_server.RELEASE}, from {llama_cpp_server.PACKAGE}"}

    def command(need: Need, port: int) -> tuple[str, ...]:
        library = ("--library", str(folder / llama_cpp_server.LIBRARIES))
        return (*_served(sys.executable, "llama_cpp", folder, precision, port), *library, *_slots(need))

    return Engine(f"llama.cpp {precision}", COMPLETIONS, set_up, command)


def ik_llama(folder: Path, precision: str) -> Engine:
    """Return ik_llama.cpp, a fork that is known for its speed on CPUs. Its wheels are for AVX2."""
    name = f"ik_llama.cpp {precision} (AVX2 wheel)"
    return _library(name, folder, "ik_llama", "ik-llama-cpp-python", "0.1.5", precision, _slots)


def openvino(folder: Path, name: str, precision: str) -> Engine:
    """Return OpenVINO GenAI on weights of the bits that the file has, one server for all needs."""
    return _library(name, folder, "openvino", "openvino-genai", "2026.4.1.0", precision, lambda need: ())


def _library(
    name: str,
    folder: Path,
    server: str,
    package: str,
    release: str,
    precision: str,
    flags: Callable[[Need], tuple[str, ...]],
) -> Engine:
    """Return a library of Python in an environment of its own, behind the HTTP server here of that name."""
    home = folder / server

    def set_up() -> dict[str, str]:
        environment(home, [f"{package}=={release}", "aiohttp>=3.12"])
        return {package: release}

    def command(need: Need, port: int) -> tuple[str, ...]:
        return (*_served(str(home / "venv/bin/python"), server, folder, precision, port), *flags(need))

    return Engine(name, COMPLETIONS, set_up, command)


def _served(python: str, server: str, folder: Path, precision: str, port: int) -> tuple[str, ...]:
    weights = str(folder / f"weights/{precision.lower()}.gguf")
    return (python, "-m", f"benchmarks.peers.{server}_server", "--port", str(port), "--weights", weights)


def _slots(need: Need) -> tuple[str, ...]:
    """Return flags of a server for each need, with as many slots as there are requests at a time, as it is fastest."""
    return ("--slots", str(need.num_sequences), "--slot-tokens", str(need.num_context_tokens))
