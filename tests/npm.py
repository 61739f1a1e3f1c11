"""Packages for JavaScript, as npm installs them."""

import shutil
import subprocess
from pathlib import Path

import pytest

OPENAI = "openai@6.49.0"
GRPC_WEB = (
    *("@connectrpc/connect@2.3.0", "@connectrpc/connect-web@2.3.0", "@bufbuild/protobuf@2.17.0"),
    *("@bufbuild/protoc-gen-es@2.17.0", "typescript@5.9.3", "esbuild@0.28.2"),
)


def install(folder: Path, *packages: str) -> None:
    """Put the packages into a folder; the test is skipped where that cannot be done."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {packages[0]} within two minutes")
    if done.returncode:
        pytest.skip(f"npm cannot install {packages[0]} here: {done.stderr[-200:]}")
