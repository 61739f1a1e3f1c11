"""One engine, one set of images, one deployment for the whole run; what was measured is printed at the end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.harness.surroundings import describe_machine, surroundings
from tests.containers.base_images import PACKAGES, debian_tarball, import_prometheus, import_python
from tests.containers.deployment import SERVICES, Container, Deployment
from tests.containers.engine import COMPOSE, DOCKER, Engine, docker_engine
from tests.containers.images import PYTHONS, Image, build, wheels_of
from tests.containers.namespace import network_namespace
from tests.containers.replicas import two_of

NEEDED = (
    *("dockerd", "iptables", "ip", "mmdebstrap", DOCKER, COMPOSE, "/usr/libexec/docker/cli-plugins/docker-buildx"),
    *("kubectl", "podman", "runc", "catatonit", "/usr/lib/podman/netavark", "/usr/lib/podman/aardvark-dns"),
)
NEEDED_PACKAGES = (
    "docker.io docker-cli docker-compose docker-buildx iptables iproute2 mmdebstrap"
    " kubectl podman runc catatonit netavark aardvark-dns"
)
FOLDER, PAGE = "tests/containers", Path(__file__).parents[2] / "docs" / "containers.md"
FIGURES = pytest.StashKey[list[tuple[str, str]]]()


def why_not() -> str:
    """Return why containers can't run here, "" if they can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [Path(each).name for each in NEEDED if shutil.which(each) is None]
    if missing:
        return f"{', '.join(missing)} not found; Debian: apt-get install --no-install-recommends {NEEDED_PACKAGES}"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    for item in items:
        if "containers" in item.path.parts:
            item.add_marker(pytest.mark.containers)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> list[tuple[str, str]]:
    """What was measured, for the table at the end of the run: (what, how much)."""
    return pytestconfig.stash.setdefault(FIGURES, [])


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Print what was measured; if everything ran and passed, it is the page as well."""
    rows = session.config.stash.get(FIGURES, [])
    around = surroundings()
    when = f"{around['date'][:10]}, commit `{around['commit']}`"
    head = f"`make test-containers` passed on {when}: {describe_machine(around)}"
    table = "".join(f"| {what} | {how_much} |\n" for what, how_much in rows)
    print(f"\n{table}")
    if rows and exitstatus == 0 and session.config.args == [FOLDER]:
        PAGE.write_text(f"# Containers\n\n{head}\n\n| | found |\n|---|---|\n{table}")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine with the base images. Whatever needs the network comes before it: there is none in the namespace."""
    for name in PACKAGES:
        debian_tarball(name)
    for role in PYTHONS:
        wheels_of(role)
    folder = Path(tempfile.mkdtemp(prefix="tandem-containers-"))
    with network_namespace(f"tandem-{os.getpid()}"), docker_engine(folder) as running:
        import_python(running)
        import_prometheus(running)
        yield running


@pytest.fixture(scope="session")
def images(engine: Engine, figures: list[tuple[str, str]]) -> dict[str, Image]:
    """Our images by role."""
    built = {role: build(engine, role, wheels_of(role)) for role in PYTHONS}
    for image in built.values():
        figures.append((f"{image.name}, built in {image.seconds:.0f} s", f"{image.num_bytes / 1e6:.0f} MB"))
    return built


@pytest.fixture(scope="session")
def deployment(engine: Engine, images: dict[str, Image], figures: list[tuple[str, str]]) -> Iterator[Deployment]:
    """docker-compose.yml as it is, up and healthy."""
    running = Deployment(engine)
    try:
        seconds = running.up()
        figures.append((f"up until {', '.join(SERVICES)} are healthy", f"{seconds:.1f} s"))
        running.at_rest = running.memory()
        yield running
    finally:
        running.down()


@pytest.fixture(scope="module")
def pairs(deployment: Deployment) -> Iterator[Deployment]:
    """Two replicas of each backend."""
    deployment.up(ar=2, gan=2)
    yield deployment
    deployment.up(ar=1, gan=1)


@pytest.fixture
async def two(pairs: Deployment) -> list[Container]:
    """The two replicas of the parallel backend, both known to the gateway."""
    return await two_of("gan", pairs)
