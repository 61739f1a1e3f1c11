"""The machine that results come from: cores, memory, and the instructions that decide how fast low-bit products are."""

from pathlib import Path
from typing import Any

from tandem.measure.meters.machine import this_machine

INSTRUCTIONS = (
    *("avx2", "f16c", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("avx_vnni", "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve"),
)


def describe() -> dict[str, Any]:
    """Return the machine for a document."""
    return {**this_machine().model_dump(), "instructions": instructions(Path("/proc/cpuinfo").read_text())}


def without_places(text: str) -> str:
    """Return a text in which paths do not tell where this machine keeps things."""
    return text.replace(str(Path.cwd()), ".").replace(str(Path.home()), "~")


def instructions(cpuinfo: str) -> list[str]:
    """Return which of INSTRUCTIONS a text like /proc/cpuinfo names."""
    lines = (line for line in cpuinfo.splitlines() if line.startswith(("flags", "Features")))
    flags = next(lines, "").partition(":")[2].split()
    return [name for name in INSTRUCTIONS if name in flags]
