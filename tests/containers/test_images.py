"""What is in an image, what is not, and how it says who it is."""

import re

import pytest

from tandem.version import VERSION
from tests.containers.engine import Engine
from tests.containers.images import PYTHONS, REVISION, Image

# The gateway's has Envoy, a binary of 107 MB.
MEGABYTES = {"gateway": 375, "gan": 700}
# What serves nothing: our tests, tools and training, what was built or installed with, cards of models.
WASTE = re.compile(
    r"^/(build|wheels|etc/pip\.conf|root/\.cache)/?"
    r"|^/opt/tandem/app/(?!(gateway|runtime|services|tandem)(/|$))"
    r"|^/opt/tandem/venv/.*/site-packages/(pip|pytest|mypy|ruff|grpc_tools|matplotlib|transformers)/"
    r"|^/opt/tandem/venv/.*/site-packages/(onnx/backend/test|openvino/include|openvino/cmake)/"
    r"|^/opt/tandem/venv/.*/site-packages/onnx/.*\.(cc|h|proto)$"
    r"|^/opt/tandem/models/.*(md|png|gz)$"
)


@pytest.mark.parametrize("role", MEGABYTES)
def test_an_image_is_small(images: dict[str, Image], role: str):
    assert images[role].num_bytes < MEGABYTES[role] * 1e6


@pytest.mark.parametrize("role", PYTHONS)
def test_an_image_says_what_it_is_and_runs_as_nobody_with_a_name(engine: Engine, images: dict[str, Image], role: str):
    config = engine.inspect(images[role].name)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.version"] == VERSION
    assert config["Labels"]["org.opencontainers.image.revision"] == REVISION
    assert config["Entrypoint"][:2] == ["python", "-m"], "a shell in between would keep the stop signal to itself"
    assert config["Healthcheck"]["Test"][:4] == ["CMD", "python", "-m", "runtime.probe"]


@pytest.mark.parametrize("role", PYTHONS)
def test_nothing_of_the_building_stays(engine: Engine, images: dict[str, Image], role: str):
    """No settings of pip, no tools, no tests and no data to train with, in any layer of ours."""
    history = engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", images[role].name)
    assert "://" not in history
    found = engine.docker(
        "run", "--rm", "--user=0", "--network=none", "--entrypoint=find", images[role].name, "/", "-xdev"
    )
    assert "/opt/tandem/app/runtime/server/server.py" in found
    files = [path for path in found.splitlines() if not path.startswith(("/proc/", "/sys/"))]
    assert [path for path in files if WASTE.search(path)] == []


def test_an_open_address_is_refused_unless_allowed(engine: Engine, images: dict[str, Image]):
    with pytest.raises(AssertionError, match="TANDEM_ALLOW_OPEN"):
        engine.docker("run", "--rm", "--network=none", images["gan"].name)
