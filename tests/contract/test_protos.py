"""The protos are clean and the committed stubs are what they generate."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_buf_lint_is_clean():
    result = subprocess.run([Path(sys.executable).parent / "buf", "lint", "protos"], cwd=ROOT, capture_output=True)
    assert (result.returncode, result.stdout.decode(), result.stderr.decode()) == (0, "", "")


def test_stubs_are_current(tmp_path):
    protos = sorted(path.relative_to(ROOT / "protos").as_posix() for path in (ROOT / "protos/tandem").rglob("*.proto"))
    out = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", "-Iprotos", *out, *protos], cwd=ROOT, check=True)
    generated = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.py*")}
    committed = {path.relative_to(ROOT) for path in (ROOT / "tandem").rglob("*_pb2*.py*") if path.suffix != ".pyc"}
    assert committed == generated
    for path in generated:
        assert (ROOT / path).read_text() == (tmp_path / path).read_text(), f"{path}: run `make stubs`"
