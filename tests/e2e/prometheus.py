"""A real Prometheus with the committed configuration, told of processes on other ports."""

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from benchmarks.harness.processes import free_port, running

COMMITTED = Path(__file__).parents[2] / "deploy" / "prometheus"


class Prometheus:
    """A running server; questions are of one instant, `at` in seconds since 1970 or now."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str, **parameters: object) -> object:
        reply = self._client.get(path, params=parameters).json()
        assert reply["status"] == "success", f"{path} {parameters}: {reply['error']}"
        return reply["data"]

    def values(self, expr: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Return (labels, value) of each series that the expression gives; what is not a number is nothing to see."""
        data = self.get("query", query=expr, **({} if at is None else {"time": at}))
        found = [(series["metric"], float(series["value"][1])) for series in data["result"]]
        return [(labels, value) for labels, value in found if not math.isnan(value)]

    def is_ready(self) -> bool:
        try:
            return self._client.get("query", params={"query": "1"}).is_success
        except httpx.TransportError:
            return False


@contextmanager
def prometheus(folder: Path, addresses: Mapping[str, str]) -> Iterator[Prometheus]:
    """Run it with its data in `folder`; `addresses` are where the jobs of targets.yml really are."""
    for file in COMMITTED.glob("*.yml"):
        shutil.copy(file, folder)
    targets = yaml.safe_load((COMMITTED / "targets.yml").read_text())
    for group in targets:
        group["targets"] = [addresses[group["labels"]["job"]]]
    (folder / "targets.yml").write_text(yaml.safe_dump(targets))
    listen = f"127.0.0.1:{free_port()}"
    files = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    flags = (*files, "--enable-feature=exemplar-storage")
    with httpx.Client(base_url=f"http://{listen}/api/v1", timeout=60.0) as client:
        server = Prometheus(client)
        with running(["prometheus", *flags, f"--web.listen-address={listen}"], server.is_ready):
            yield server
