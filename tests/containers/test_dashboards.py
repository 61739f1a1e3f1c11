"""What Grafana would show of a deployment under load: every query of every dashboard, asked of its Prometheus.

Grafana itself can't be had here. Its provisioning is checked as files, in tests/unit/deploy/test_compose.py.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.containers.deployment import GATEWAY, PROMETHEUS, Deployment
from tests.e2e.mixed_load import IMAGE_MODEL, TEXT_MODEL, mixed_load
from tests.e2e.prometheus import Prometheus
from tests.e2e.test_dashboards import PATIENCE_SECONDS, Question, offered_models, panel_queries, recordings
from tests.tiny_models import add_to_repository

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def watched(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The deployment with a tiny language model as well, mounted, so that there is something to see of texts."""
    folder = tmp_path_factory.mktemp("mounted")
    add_to_repository(folder, TEXT_MODEL)
    shutil.copytree(ROOT / "models" / IMAGE_MODEL, folder / IMAGE_MODEL)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    override = folder / "override.yml"
    mount = {"type": "bind", "source": str(folder), "target": "/opt/tandem/models", "read_only": True}
    services = {
        "ar": {"volumes": [mount], "environment": {"TANDEM_DIVERSITY_EVERY": "1"}},
        "gan": {"environment": {"TANDEM_DIVERSITY_EVERY": "4"}},
    }
    override.write_text(yaml.safe_dump({"services": services}))
    models = {"TANDEM_AR_MODELS": f'["{TEXT_MODEL}", "{IMAGE_MODEL}"]'}
    changed = Deployment(deployment.engine, override, environment=models)
    changed.compose("up", "--detach", "--wait", "--no-build", "ar", "gan", "gateway", "prometheus")
    try:
        with mixed_load(GATEWAY), httpx.Client(base_url=f"{PROMETHEUS}/api/v1", timeout=10.0) as client:
            yield Prometheus(client)
    finally:
        deployment.compose("up", "--detach", "--wait", "--no-build", "ar", "gan", "gateway", "prometheus")


@pytest.mark.parametrize("questions", [panel_queries, recordings, offered_models])
def test_every_query_finds_something(
    watched: Prometheus, questions: Callable[[], list[Question]], figures: list[tuple[str, str]]
):
    waiting, begun = questions(), time.monotonic()
    count = len(waiting)
    assert count
    while waiting and time.monotonic() < begun + 2 * PATIENCE_SECONDS:
        waiting = [question for question in waiting if not question.is_answered(watched)]
        time.sleep(0.2)
    what = questions.__name__.replace("_", " ")
    figures.append((f"dashboards: {what} that find something", f"{count - len(waiting)} of {count}"))
    assert waiting == []
