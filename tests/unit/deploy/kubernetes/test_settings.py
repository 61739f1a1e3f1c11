"""The processes take what the manifests tell them: every variable is a setting, every value one that it accepts."""

import os
from typing import Any

import pytest

from gateway.settings import GatewaySettings
from runtime import probe
from services.ar.settings import ArSettings
from services.gan.settings import GanSettings
from tests.certificates import Authority
from tests.unit.deploy.kubernetes.manifests import PROCESSES, Manifests
from tests.unit.deploy.kubernetes.mounts import mount

SETTINGS = {"gateway": GatewaySettings, "ar": ArSettings, "gan": GanSettings}
PROBE = {f"TANDEM_PROBE_{name.upper()}" for name in vars(probe._parser().parse_args(["address"]))}


@pytest.fixture
def pods(variants, tmp_path, monkeypatch) -> list[tuple[Manifests, str, Any]]:
    """Each variant's processes, with what each makes of its pod's environment and files, with no tandem.toml."""
    for name in [name for name in os.environ if name.startswith("TANDEM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    authority, found = Authority(tmp_path, "ours"), []
    for number, manifests in enumerate(variants):
        for process in PROCESSES:
            with monkeypatch.context() as patched:
                for name, value in mount(manifests, process, authority, tmp_path / f"{process}{number}").items():
                    patched.setenv(name, value)
                found.append((manifests, process, SETTINGS[process]()))
    return found


def test_every_variable_is_a_setting_of_the_process(variants):
    for process in PROCESSES:
        fields = {name.upper() for name in SETTINGS[process].model_fields}
        known = {f"TANDEM_{name}" for name in fields} | {f"TANDEM_{process.upper()}_{name}" for name in fields} | PROBE
        for manifests in variants:
            assert manifests.environment(process).keys() - known == set()


def test_processes_listen_where_their_ports_are_and_are_open_only_where_nothing_guards_them(pods):
    for manifests, process, settings in pods:
        parts = manifests.variant.components
        assert settings.host == "0.0.0.0"  # noqa: S104
        assert settings.port == manifests.ports(process)["grpc"]
        assert any(settings.guards().values()) == (("api-keys" if process == "gateway" else "tls") in parts)
        assert settings.allow_open != any(settings.guards().values())


def test_with_tls_all_of_it_is_encrypted(pods):
    for manifests, process, settings in pods:
        tls = settings.server_tls()
        assert (tls is not None) == ("tls" in manifests.variant.components)
        if tls is not None and process == "gateway":
            backend = settings.backend_tls()
            assert (backend.ca.name, backend.identity is not None) == ("ca.crt", True)
        elif tls is not None:
            assert tls.client_ca.name == "ca.crt"
