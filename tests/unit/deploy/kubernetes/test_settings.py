"""The processes take what the manifests tell them: every variable is a setting, every value one that it accepts."""

import os

import pytest

from gateway.settings import GatewaySettings
from runtime import probe
from services.ar.settings import ArSettings
from services.gan.settings import GanSettings
from tandem.shared.models import ModelRepository
from tests.certificates import Authority
from tests.unit.deploy.kubernetes.manifests import PROCESSES, ROOT
from tests.unit.deploy.kubernetes.mounts import mount

SETTINGS = {"gateway": GatewaySettings, "ar": ArSettings, "gan": GanSettings}
PROBE = {f"TANDEM_PROBE_{name.upper()}" for name in vars(probe._parser().parse_args(["address"]))}


@pytest.fixture(params=PROCESSES)
def process(request) -> str:
    return request.param


@pytest.fixture
def settings(manifests, process, tmp_path, monkeypatch):
    """What the process makes of its pod's environment and files, in a folder with no tandem.toml."""
    for name in [name for name in os.environ if name.startswith("TANDEM_")]:
        monkeypatch.delenv(name)
    for name, value in mount(manifests, process, Authority(tmp_path, "ours"), tmp_path / "pod").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return SETTINGS[process]()


def test_every_variable_is_a_setting_of_the_process(manifests, process):
    fields = {name.upper() for name in SETTINGS[process].model_fields}
    known = {f"TANDEM_{name}" for name in fields} | {f"TANDEM_{process.upper()}_{name}" for name in fields} | PROBE
    assert manifests.environment(process).keys() - known == set()


def test_a_process_listens_where_its_ports_are_published(settings, manifests, process):
    assert settings.host == "0.0.0.0"  # noqa: S104
    assert settings.port == manifests.ports(process)["grpc"]


def test_a_process_is_open_only_where_nothing_guards_it(settings, manifests, process):
    parts = manifests.variant.components
    assert any(settings.guards().values()) == (("api-keys" if process == "gateway" else "tls") in parts)
    assert settings.allow_open != any(settings.guards().values())


def test_with_tls_all_of_it_is_encrypted(settings, manifests, process):
    tls = settings.server_tls()
    assert (tls is not None) == ("tls" in manifests.variant.components)
    if tls is not None and process == "gateway":
        backend = settings.backend_tls()
        assert (backend.ca.name, backend.identity is not None) == ("ca.crt", True)
    elif tls is not None:
        assert tls.client_ca.name == "ca.crt"


def test_models_are_those_of_the_repository(settings, process):
    if process != "gateway":
        repository = ModelRepository(ROOT / "models")
        kinds = {"ar": "transformer", "gan": "gan"}
        assert {repository.get(name).spec.kind for name in settings.models} == {kinds[process]}
