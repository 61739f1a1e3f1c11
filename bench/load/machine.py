"""What kind of machine the generator runs on. Asks the system and the packages' metadata; imports none of them."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.load.document import Machine

_PACKAGES = ("grpcio", "protobuf", "numpy", "uvloop", "torch", "onnxruntime-gpu", "onnxruntime")


def this_machine() -> Machine:
    """Return a description of this machine."""
    return Machine(
        cpu_model=_cpu_model(),
        num_cores=os.cpu_count() or 1,
        num_usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpus=tuple(_nvidia_gpus()),
        operating_system=platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=dict(_versions()),
    )


def _cpu_model() -> str:
    return _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def _nvidia_gpus() -> list[str]:
    files = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return [name for file in files if (name := _field(file, "Model"))]


def _field(file: Path, key: str) -> str:
    """Return the first value in a file of `key: value` lines; empty if it is not there."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
