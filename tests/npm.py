"""OpenAI's package for JavaScript, as npm installs it."""

import shutil
import subprocess
from pathlib import Path

import pytest

NPM_PACKAGE = "openai@6.49.0"


def install_openai(folder: Path) -> None:
    """Put the package into a folder; the test is skipped where that cannot be done."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", NPM_PACKAGE]
    try:
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not install OpenAI's package within a minute")
    if done.returncode:
        pytest.skip(f"npm cannot install OpenAI's package here: {done.stderr[-200:]}")
