"""The header of a document that is written here and now, and what kind of machine it was measured on.

Asks the system and the packages' metadata; imports none of them.
"""

import contextlib
import functools
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tandem.measure.results.header import Audits, Machine, ServedModel
from tandem.shared.loopback import is_local
from tandem.version import VERSION

CPU_INFO = Path("/proc/cpuinfo")
_PACKAGES = ("grpcio", "protobuf", "numpy", "uvloop", "torch", "onnxruntime-gpu", "onnxruntime")


def header_of(
    address: str,
    models: Sequence[ServedModel],
    started_at: datetime,
    audits: Audits,
    problems: Sequence[str] = (),
    is_partial: bool = False,
) -> dict[str, Any]:
    """Return the fields of tandem.measure.results.header.Header."""
    return {
        "tool_version": VERSION,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "address": address,
        "is_local": is_local(address),
        "started_at": started_at,
        "machine": this_machine(),
        "models": tuple(models),
        "is_partial": is_partial,
        "problems": tuple(problems),
        "audits": audits,
    }


@functools.cache
def this_machine() -> Machine:
    """Return a description of this machine."""
    nvidia = Path("/proc/driver/nvidia/gpus")
    return Machine(
        cpu_model=first_value(CPU_INFO, "model name") or platform.processor() or platform.machine(),
        num_cores=os.cpu_count() or 1,
        num_usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpus=tuple(name for file in sorted(nvidia.glob("*/information")) if (name := first_value(file, "Model"))),
        operating_system=platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=package_versions(_PACKAGES),
    )


def first_value(file: Path, key: str) -> str:
    """Return the first value in a file of `key: value` lines; empty if it is not there."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """Return the versions of those that are installed."""
    found = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
