"""Each variant, rendered once."""

import shutil

import pytest

from tests.unit.deploy.kubernetes.manifests import PROCESSES, VARIANTS, Manifests


@pytest.fixture(scope="session")
def kubectl() -> str:
    path = shutil.which("kubectl")
    if path is None:
        pytest.skip("kubectl is not installed: Debian's package kubectl has it")
    return path


@pytest.fixture(scope="session")
def variants(kubectl, tmp_path_factory) -> list[Manifests]:
    return [variant.render(kubectl, tmp_path_factory.mktemp("own")) for variant in VARIANTS]


@pytest.fixture(scope="session")
def pods(variants) -> list[tuple[Manifests, str]]:
    """Each process of each variant."""
    return [(manifests, process) for manifests in variants for process in PROCESSES]


@pytest.fixture(scope="session")
def scaled(variants) -> Manifests:
    return find(variants, "cpu, scaled")


@pytest.fixture(scope="session")
def whole(variants) -> Manifests:
    return find(variants, "gpu, all")


def find(variants: list[Manifests], name: str) -> Manifests:
    return next(manifests for manifests in variants if manifests.variant.name == name)
