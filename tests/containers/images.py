"""Our three images, built from the repository's Dockerfile without a network: their wheels are fetched beforehand."""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tandem.version import VERSION
from tests.containers.base_images import CACHE, DEBIAN_PYTHON, OWN_PYTHON
from tests.containers.engine import DOCKER, Engine

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
REVISION = "0123456789abcdef"
# torch's CPU build may be at hand for the Python of the tests only.
PYTHONS = {"gateway": DEBIAN_PYTHON, "gan": DEBIAN_PYTHON, "ar": OWN_PYTHON}


@dataclass(frozen=True)
class Image:
    """A built image and how long its building took."""

    name: str
    num_bytes: int
    seconds: float


def wheels_of(role: str) -> Path:
    """Return a folder with the wheels of a role, fetched once as pip is set up here, in the versions of the images."""
    folder = CACHE / "wheels" / f"{role}-{PYTHONS[role]}"
    requirements = subprocess.run(
        [sys.executable, ROOT / "deploy" / "docker" / "requirements.py", role, "cpu"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    fetched, wanted = folder / "fetched.txt", requirements + CONSTRAINTS.read_text()
    if not fetched.is_file() or fetched.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _download(PYTHONS[role], folder, requirements.splitlines())
        fetched.write_text(wanted)
    return folder


def _download(python: str, folder: Path, requirements: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        interpreter = sys.executable
        if python != OWN_PYTHON:
            subprocess.run([f"/usr/bin/python{python}", "-m", "venv", scratch], check=True)
            interpreter = f"{scratch}/bin/python"
        command = [interpreter, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(folder)]
        subprocess.run([*command, "--constraint", str(CONSTRAINTS), *requirements], check=True)


def build(engine: Engine, role: str, wheels: Path) -> Image:
    """Build the image of a role as `docker compose build` would, but offline."""
    name, begun = f"tandem/{role}:{VERSION}", time.monotonic()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as pip_conf:
        pip_conf.write("[global]\nno-index = true\n")
        pip_conf.flush()
        engine.run(
            *(DOCKER, "buildx", "build", "--file", str(ROOT / "deploy" / "docker" / "Dockerfile")),
            *("--target", role, "--tag", name, "--build-arg", f"PYTHON={PYTHONS[role]}"),
            *("--build-arg", f"VERSION={VERSION}", "--build-arg", f"REVISION={REVISION}"),
            *("--secret", f"id=pip_conf,src={pip_conf.name}", "--build-context", f"wheels={wheels}", str(ROOT)),
        )
    seconds = time.monotonic() - begun
    return Image(name, int(engine.inspect(name)["Size"]), seconds)
