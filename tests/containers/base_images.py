"""The images that our Dockerfile and docker-compose.yml start from, made of Debian packages: no registry is needed.

`python:3.13-slim` is Debian's smallest system with its own Python, `python:3.13` has a compiler. Another Python is that
of the tests laid over it, so that wheels which this machine has only for that one (torch's CPU build) can serve.
`prom/prometheus` is Debian's.
"""

import io
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

from tandem.shared.cache_folder import cache_folder
from tests.containers.engine import Engine

CACHE = cache_folder() / "containers"
RELEASE, DEBIAN_PYTHON = "trixie", "3.13"
OWN_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PROMETHEUS = "prom/prometheus:v3.5.0"
PACKAGES = {
    "python": "ca-certificates,python3,python3-venv,python3-pip",
    "python-compiler": "ca-certificates,python3,g++,libnghttp2-dev",
    "prometheus": "prometheus,promtool",
}


def debian_tarball(name: str) -> Path:
    """Return a tarball of a smallest Debian with the packages of that name; it is made once and kept."""
    path = CACHE / f"{name}-{RELEASE}.tar"
    if not path.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        half_done = path.with_suffix(".part.tar")
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES[name]}", RELEASE, str(half_done)]
        subprocess.run(command, check=True)
        half_done.rename(path)
    return path


def import_python(engine: Engine) -> None:
    """Make `python:3.13-slim`, one with the Python of the tests if that is another, and one to compile with."""
    for python in sorted({OWN_PYTHON, DEBIAN_PYTHON}):
        # What it compiles depends on no Python: one system serves for all.
        _import(engine, debian_tarball("python-compiler"), f"python:{python}", 'CMD ["python3"]')
    _import(engine, debian_tarball("python"), f"python:{DEBIAN_PYTHON}-slim", 'CMD ["python3"]')
    if OWN_PYTHON != DEBIAN_PYTHON:
        with tempfile.TemporaryFile() as context:
            _write_own_python(context)
            context.seek(0)
            engine.docker("build", "--tag", f"python:{OWN_PYTHON}-slim", "-", stdin=context)


def import_prometheus(engine: Engine) -> None:
    """Make a stand-in for prom/prometheus with the same commands and folders."""
    tarball = debian_tarball("prometheus")
    base = f"{PROMETHEUS}-base"
    _import(engine, tarball, base, 'CMD ["sh"]')
    dockerfile = (
        f"FROM {base}\nRUN mkdir /prometheus && chown 65534:65534 /prometheus\nUSER 65534:65534\nWORKDIR /prometheus\n"
        f'VOLUME /prometheus\nEXPOSE 9090\nENTRYPOINT ["/usr/bin/prometheus"]\n'
    )
    with tempfile.TemporaryFile() as file:
        file.write(dockerfile.encode())
        file.seek(0)
        engine.docker("build", "--tag", PROMETHEUS, "-", stdin=file)


def _import(engine: Engine, tarball: Path, tag: str, change: str) -> None:
    engine.docker("import", "--change", change, str(tarball), tag)


def _write_own_python(file: "io.IOBase | tempfile._TemporaryFileWrapper[bytes]") -> None:
    """Write a build context: this interpreter with its standard library and pip, to lie in /usr/local."""
    prefix, standard = Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))
    site = standard / "site-packages"

    def kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        path = prefix / entry.name.removeprefix("python/")
        inside = path.is_relative_to(site) and path != site
        is_pip = inside and path.relative_to(site).parts[0].startswith("pip")
        is_waste = path.name in ("__pycache__", "test") or path.suffix == ".a"
        return None if is_waste or (inside and not is_pip) else entry

    dockerfile = f"FROM python:{DEBIAN_PYTHON}-slim\nCOPY python /usr/local\nRUN ldconfig\n".encode()
    with tarfile.open(fileobj=file, mode="w") as tar:  # type: ignore[call-overload]
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        tar.addfile(entry, io.BytesIO(dockerfile))
        found = [prefix / "bin" / f"python{OWN_PYTHON}", prefix / "bin" / "python3", standard]
        for path in (*found, *(prefix / "lib").glob(f"libpython{OWN_PYTHON}*.so*")):
            tar.add(path, f"python/{path.relative_to(prefix)}", filter=kept)
