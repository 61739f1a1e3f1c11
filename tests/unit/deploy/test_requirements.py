"""What an image installs, of the extras in pyproject.toml."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy.docker.requirements import requirements

ROOT = Path(__file__).parents[3]
EXTRAS = {
    "server": ["grpcio>=1"],
    "gateway": ["tandem-serving[server]", "fastapi"],
    "gan": ["tandem-serving[server]", "onnxruntime-gpu>=1; marker", "onnxruntime>=1; other"],
    "ar": ["tandem-serving[server]", "gguf>=1"],
    "torch": ["torch>=2"],
    "cuda": ["onnxruntime-gpu[cuda]"],
}


@pytest.mark.parametrize(
    ("role", "variant", "expected"),
    [
        ("gateway", "cpu", ["grpcio>=1", "fastapi"]),
        ("gateway", "cuda", ["grpcio>=1", "fastapi"]),
        ("gan", "cpu", ["grpcio>=1", "onnxruntime>=1"]),
        ("gan", "cuda", ["grpcio>=1", "onnxruntime-gpu>=1; marker", "onnxruntime>=1; other", "onnxruntime-gpu[cuda]"]),
        ("ar", "cpu", ["grpcio>=1", "gguf>=1"]),
        ("ar", "cuda", ["grpcio>=1", "gguf>=1", "torch>=2"]),
    ],
)
def test_a_role_gets_its_extra_and_the_libraries_of_the_variant(role, variant, expected):
    assert requirements(EXTRAS, role, variant) == expected


def test_as_the_image_is_built_it_reads_the_project_s_own_list():
    command = [sys.executable, str(ROOT / "deploy" / "docker" / "requirements.py"), "gan", "cpu"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert listed == requirements(extras, "gan", "cpu")
    assert not [line for line in listed if "gpu" in line or "tandem" in line]
