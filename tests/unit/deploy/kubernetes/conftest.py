"""Each variant, rendered once."""

import shutil

import pytest

from tests.unit.deploy.kubernetes.manifests import VARIANTS, Manifests, Variant


@pytest.fixture(scope="session")
def kubectl() -> str:
    path = shutil.which("kubectl")
    if path is None:
        pytest.skip("kubectl is not installed: Debian's package kubectl has it")
    return path


@pytest.fixture(scope="session", params=VARIANTS, ids=lambda variant: variant.name)
def manifests(request, kubectl, tmp_path_factory) -> Manifests:
    return request.param.render(kubectl, tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="session")
def scaled(kubectl, tmp_path_factory) -> Manifests:
    return named("cpu, scaled").render(kubectl, tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="session")
def whole(kubectl, tmp_path_factory) -> Manifests:
    return named("gpu, all").render(kubectl, tmp_path_factory.mktemp("own"))


def named(name: str) -> Variant:
    return next(each for each in VARIANTS if each.name == name)
