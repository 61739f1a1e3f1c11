"""Envoy's own opinion of a configuration."""

import subprocess
from pathlib import Path


def validate(binary: Path, bootstrap: Path) -> list[str]:
    """Return what Envoy says against the file, its warnings included; nothing if it is good."""
    command = (str(binary), "--mode", "validate", "--log-level", "warning", "--log-format", "%v", "-c", str(bootstrap))
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    return lines if lines or result.returncode == 0 else [f"envoy ended with {result.returncode}"]
