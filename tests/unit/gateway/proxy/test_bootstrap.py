"""The shape of Envoy's configuration: every field exists, Envoy accepts it, and it says what the settings say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.proxy import bootstrap
from gateway.proxy.binary import find_envoy, validate
from gateway.proxy.sockets import Sockets, private_sockets
from gateway.settings import GatewaySettings
from gateway.tracing.settings import TracingSettings
from tests.certificates import Authority
from tests.integration.gateway.callers import SECRET, keys_file


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    with private_sockets() as made:
        yield made


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def settings_of(kind: str, folder: Path, ours: Authority) -> GatewaySettings:
    """Return settings of a kind that the configuration must be good for."""
    identity = ours.issue("a")
    server = {"tls_cert": identity.cert, "tls_key": identity.key}
    backends = {"backend_ca": ours.ca, "backend_cert": identity.cert, "backend_key": identity.key}
    named = {"ar_targets": ["ar:50051", "other.lan:50051", "127.0.0.1:5"], "gan_targets": ["[::1]:50052"]}
    given: dict[str, dict[str, Any]] = {
        "plain": {},
        "one paradigm": {"gan_targets": []},
        "several replicas": {"ar_targets": ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.2:1"]},
        "names": named,
        "all addresses": {"host": "::", "allow_open": True},
        "TLS": server,
        "mutual TLS": {**server, "tls_client_ca": ours.ca},
        "TLS to backends": {**named, **backends},
        "keys": {"api_keys_file": keys_file(folder)},
        "web pages": {"browser_origins": ["https://app.example.com", "http://[::1]:5173"]},
        "everything": {**named, **server, **backends, "tls_client_ca": ours.ca, "api_keys_file": keys_file(folder)},
    }
    given["everything"] |= given["web pages"]
    return GatewaySettings(port=0, http_port=0, **given[kind])


KINDS = (
    *("plain", "one paradigm", "several replicas", "names", "all addresses"),
    *("TLS", "mutual TLS", "TLS to backends", "keys", "web pages", "everything"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_envoy_knows_every_field_and_accepts_it(kind: str, sockets: Sockets, tmp_path: Path, ours: Authority) -> None:
    settings = settings_of(kind, tmp_path, ours)
    bootstrap.write(settings, sockets)
    assert validate(find_envoy(), sockets.bootstrap) == []


def test_without_origins_nothing_is_there_for_browsers(sockets: Sockets, tmp_path: Path, ours: Authority) -> None:
    def found(kind: str) -> list[bool]:
        text = json.dumps(bootstrap.document(settings_of(kind, tmp_path, ours), sockets))
        return [word in text for word in ("http.cors", "http.grpc_web", "grpc-web")]

    assert found("plain") == [False] * 3
    assert found("web pages") == [True] * 3


SAMPLERS = {
    "parentbased_always_on": ("parent_based", 1_000_000),
    "parentbased_always_off": ("parent_based", 0),
    "parentbased_traceidratio": ("parent_based", 12_500),
    "traceidratio": ("trace_id_ratio_based", 12_500),
    "always_on": ("trace_id_ratio_based", 1_000_000),
}


@pytest.mark.parametrize("kind", ["one paradigm", "everything"])
def test_with_traces_envoy_decides_as_the_sampler_does(
    kind: str, sockets: Sockets, tmp_path: Path, ours: Authority
) -> None:
    settings = settings_of(kind, tmp_path, ours)
    for sampler, (name, share) in SAMPLERS.items():
        tracing = TracingSettings(endpoint="http://collector:4317", sampler=sampler, ratio=0.0125)  # type: ignore[arg-type]
        document = bootstrap.document(settings, sockets, tracing=tracing)
        assert "tracing" not in manager_of(document, "http")
        for listener in ("grpc", "internal"):
            found = manager_of(document, listener)["tracing"]["provider"]["typed_config"]["sampler"]
            assert found["name"].endswith(f".{name}")
            root = found["typed_config"].get("wrapped_sampler", found)["typed_config"]
            assert root["sampling_percentage"] == {"numerator": share, "denominator": "MILLION"}
    for sampler in ("parentbased_always_on", "traceidratio"):
        bootstrap.write(settings, sockets, tracing=TracingSettings(endpoint="http://collector:4317", sampler=sampler))  # type: ignore[arg-type]
        assert validate(find_envoy(), sockets.bootstrap) == []


def test_a_misspelt_field_is_found(sockets: Sockets) -> None:
    document = bootstrap.document(GatewaySettings(), sockets)
    manager = document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["stream_idle_timeuot"] = manager.pop("stream_idle_timeout")
    sockets.bootstrap.write_text(json.dumps(document))
    assert "stream_idle_timeuot" in " ".join(validate(find_envoy(), sockets.bootstrap))


def manager_of(document: dict[str, Any], listener: str) -> dict[str, Any]:
    [chains] = [each["filter_chains"] for each in document["static_resources"]["listeners"] if each["name"] == listener]
    found: dict[str, Any] = chains[0]["filters"][0]["typed_config"]
    return found


def test_keys_and_certificates_stay_out_of_the_files(sockets: Sockets, tmp_path: Path, ours: Authority) -> None:
    settings = settings_of("everything", tmp_path, ours)
    bootstrap.write(settings, sockets)
    written = "".join(file.read_text() for file in sockets.folder.glob("*.json"))
    assert settings.tls_key is not None
    assert str(settings.tls_key) in written
    assert "PRIVATE KEY" not in written
    assert hashlib.sha256(SECRET.encode()).hexdigest() not in written


def test_a_limit_that_is_not_there_is_an_error(sockets: Sockets) -> None:
    with pytest.raises(KeyError, match="no place for heaedrs"):
        bootstrap.document(GatewaySettings(), sockets, {"heaedrs": "1s"})


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("::1", "::1")])
def test_a_host_is_bound_to_by_its_address(host: str, address: str) -> None:
    assert bootstrap.address_of(host) == address


def test_a_host_without_an_address_is_an_error() -> None:
    with pytest.raises(OSError, match=r"not known|resolution"):
        bootstrap.address_of("nowhere.invalid")
