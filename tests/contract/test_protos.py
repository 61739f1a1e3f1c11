"""The protos are clean and the committed stubs are what they generate."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_buf_lint_is_clean():
    result = subprocess.run([Path(sys.executable).parent / "buf", "lint", "protos"], cwd=ROOT, capture_output=True)
    assert (result.returncode, result.stdout.decode(), result.stderr.decode()) == (0, "", "")


def generated(folder: Path, *arguments: str) -> dict[Path, str]:
    """Return the stubs that protoc writes into an empty folder, by their paths in it."""
    folder.mkdir()
    out = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *out, *arguments], cwd=ROOT, check=True)
    return {path.relative_to(folder): path.read_text() for path in folder.rglob("*.py*")}


def test_stubs_are_current(tmp_path):
    protos = sorted(path.relative_to(ROOT / "protos").as_posix() for path in (ROOT / "protos/tandem").rglob("*.proto"))
    own = generated(tmp_path / "own", "-Iprotos", *protos)
    envoy = sorted(path.relative_to(ROOT / "protos").as_posix() for path in (ROOT / "protos/gateway").rglob("*.proto"))
    messages = generated(tmp_path / "envoy", "-Iprotos", *envoy)
    # Triton's keep their names without a folder, so what they import must be found in ours.
    triton = generated(tmp_path / "triton", "-Iprotos/triton", "grpc_service.proto", "model_config.proto")
    ours = "from tandem.oip import model_config_pb2"
    foreign = {
        Path("tandem/oip") / path: text.replace("\nimport model_config_pb2", f"\n{ours}").removeprefix("\n")
        for path, text in ((path, f"\n{text}") for path, text in triton.items())
        if not path.stem.endswith("_grpc")
    }
    expected = {**own, **{path: text for path, text in messages.items() if "_grpc" not in path.name}, **foreign}
    stubs = [path for room in ("tandem", "gateway") for path in (ROOT / room).rglob("*_pb2*.py*")]
    committed = {path.relative_to(ROOT) for path in stubs if path.suffix != ".pyc"}
    assert committed == expected.keys()
    for path, text in expected.items():
        assert (ROOT / path).read_text() == text, f"{path}: run `make stubs`"


def test_triton_s_files_live_beside_their_client():
    """Both register one file by one name, which protobuf allows only if they are equal."""
    from tritonclient.grpc import service_pb2

    from tandem.oip import grpc_service_pb2

    assert grpc_service_pb2.DESCRIPTOR is service_pb2.DESCRIPTOR
