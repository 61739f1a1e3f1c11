"""docker-compose.yml against what it names: settings, ports, versions, mounts. tests/containers runs it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from gateway.proxy.bootstrap import default_limits
from gateway.settings import GatewaySettings
from services.ar.settings import ArSettings
from services.gan.settings import GanSettings

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
GPU = yaml.safe_load((ROOT / "docker-compose.gpu.yml").read_text())
SERVICES = COMPOSE["services"]
SETTINGS = {"gateway": GatewaySettings, "ar": ArSettings, "gan": GanSettings}
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
CLOSING_SECONDS = 15  # what ends after the drain: Envoy, its last log entries, the servers
PYTHON_MEBIBYTES = 256  # what the gateway's own process may take beside Envoy
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")


def stage(role: str) -> str:
    """Return the last stage of the Dockerfile that makes a role's image."""
    return re.split(r"\nFROM ", DOCKERFILE.partition(f" AS {role}\n")[2])[0]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("file", [COMPOSE, GPU], ids=["base", "gpu"])
def test_every_variable_is_a_setting(name, file):
    for variable in file["services"].get(name, {}).get("environment", {}):
        assert variable.removeprefix("TANDEM_").lower() in SETTINGS[name].model_fields


@pytest.mark.parametrize("name", SETTINGS)
def test_a_stop_leaves_time_to_drain(name):
    grace_seconds = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace_seconds >= float(SERVICES[name]["environment"]["TANDEM_DRAIN_SECONDS"]) + CLOSING_SECONDS


def test_envoy_refuses_requests_before_its_container_is_out_of_memory():
    mebibytes = int(SERVICES["gateway"]["deploy"]["resources"]["limits"]["memory"].removesuffix("M"))
    assert mebibytes >= int(default_limits()["heap"]) / 2**20 + PYTHON_MEBIBYTES


def test_triton_may_load_what_it_compiles_where_the_image_has_its_cache():
    """Docker mounts a tmpfs with noexec unless told otherwise, and then no library can be loaded from it."""
    [cache] = re.findall(r"^ENV TRITON_CACHE_DIR=(.*)$", stage("ar"), re.MULTILINE)
    [mount] = GPU["services"]["ar"]["tmpfs"]
    folder, _, options = mount.partition(":")
    assert Path(cache).is_relative_to(folder)
    assert "exec" in options.split(",")


def test_the_example_has_the_defaults_and_nothing_that_is_not_read():
    text = (ROOT / "docker-compose.yml").read_text() + (ROOT / "docker-compose.gpu.yml").read_text()
    read = dict(VARIABLE.findall(text))
    example = (ROOT / ".env.example").read_text()
    lines = [line.partition("=") for line in example.splitlines() if "=" in line and not line.startswith("#")]
    assert {key: value for key, _, value in lines} == {key: read[key] for key, _, _ in lines}
    unnamed = {key for key in read if f"{key}=" not in example}
    assert unnamed == {"TANDEM_REVISION"}


def test_grafana_is_given_the_data_source_and_the_dashboards():
    grafana = SERVICES["grafana"]
    mounts = {volume.split(":")[1]: volume.split(":")[0] for volume in grafana["volumes"]}
    provisioning = ROOT / mounts["/etc/grafana/provisioning"]
    [provider] = yaml.safe_load((provisioning / "dashboards" / "tandem.yml").read_text())["providers"]
    [source] = yaml.safe_load((provisioning / "datasources" / "tandem.yml").read_text())["datasources"]
    folder = grafana["environment"][provider["options"]["path"].removeprefix("$")]
    assert len(list((ROOT / mounts[folder]).glob("*.json"))) == 4
    assert grafana["environment"][source["url"].removeprefix("$")] == "http://prometheus:9090"
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (ROOT / mounts[str(home.parent)] / home.name).is_file()


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("files", [("docker-compose.yml",), ("docker-compose.yml", "docker-compose.gpu.yml")])
def test_compose_understands_the_files(files):
    words = [word for file in files for word in ("--file", str(ROOT / file))]
    done = subprocess.run(["docker-compose", *words, "config", "--quiet"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
