"""This machine as far as what it computes depends on it, whether others use it, and fingerprints of such causes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.cores import usable_cores

CPU_INFO = Path("/proc/cpuinfo")
# The extensions that runtimes have kernels of their own for, the best last.
INSTRUCTION_SETS = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "asimd",
    "bf16",
)
LIBRARIES = ("onnxruntime-gpu", "onnxruntime", "openvino", "numpy")
_IDENTITY = ("vendor_id", "cpu family", "model", "model name", "CPU implementer", "CPU part")


@dataclass(frozen=True)
class Machine:
    """A machine as far as the results of arithmetic and its speed depend on it."""

    processor: str
    """Who made it, family, model and name."""
    instructions: tuple[str, ...]
    """Those of INSTRUCTION_SETS that it has."""
    cores: int
    """Cores that this process may use."""
    libraries: tuple[tuple[str, str], ...]
    """Name and version of each of LIBRARIES that is installed."""

    @property
    def instruction_set(self) -> str:
        """The last of the instruction sets that it has, as a name for all of them."""
        return self.instructions[-1] if self.instructions else platform.machine()


def this_machine(cpu_info: Path = CPU_INFO) -> Machine:
    """Return what this process runs on."""
    values = _first_processor(cpu_info)
    flags = f"{values.get('flags', '')} {values.get('Features', '')}".split()
    processor = " ".join(values[each] for each in _IDENTITY if each in values) or platform.processor()
    instructions = tuple(each for each in INSTRUCTION_SETS if each in flags)
    return Machine(processor, instructions, usable_cores(), _versions())


def _first_processor(cpu_info: Path) -> dict[str, str]:
    try:
        text = cpu_info.read_text(errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)


_DIGITS = 12


def fingerprint(runtime: str, precision: str, causes: Mapping[str, object]) -> str:
    """Return a name such as "openvino-bfloat16-0f6cb2a91d3e".

    `causes` is whatever else outputs depend on to the last bit, as values that JSON can hold; the order does not count.
    """
    text = json.dumps({"runtime": runtime, "precision": precision, **causes}, sort_keys=True)
    return f"{runtime}-{precision}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


STAT = Path("/proc/stat")
SAMPLE_SECONDS = 0.25
MAX_BUSY_SHARE = 0.2
"""Of all processors' time; a desktop or an agent takes some per cent."""


def is_idle(stat: Path = STAT) -> bool:
    """Return whether the processors do nearly nothing for a quarter of a second; True where that cannot be read."""
    before = _ticks(stat)
    time.sleep(SAMPLE_SECONDS)
    after = _ticks(stat)
    if before is None or after is None:
        return True
    busy, idle = (now - then for now, then in zip(after, before, strict=True))
    return busy <= MAX_BUSY_SHARE * (busy + idle)


def _ticks(stat: Path) -> tuple[int, int] | None:
    """Return the ticks for which all processors together were busy, and idle, since the machine started."""
    try:
        first_line = stat.read_text().partition("\n")[0]
        user, nice, system, idle, waiting, irq, softirq, steal = map(int, first_line.split()[1:9])
    except (OSError, ValueError):
        return None
    return user + nice + system + irq + softirq + steal, idle + waiting
