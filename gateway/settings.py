"""Settings of the gateway; flags, TANDEM_* variables and the [gateway] table of tandem.toml."""

import logging
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from gateway.access.api_keys import ApiKey, load_api_keys
from runtime.metrics import MetricsNames
from runtime.settings import OptionalFile, ProcessSettings
from runtime.tls import ChannelTls, read_channel_tls, read_identity
from tandem.shared.loopback import is_loopback

logger = logging.getLogger(__name__)

_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+")
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:]+\])(:\d{1,5})?")
_TARGET = re.compile(r"[^\s:/,]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")


class GatewaySettings(ProcessSettings):
    """The settings of the gateway."""

    port: int = Field(50050, ge=0, le=65535)
    """gRPC port; 0 takes a free one."""

    http_port: int = Field(8080, ge=0, le=65535)
    """Port of the web page, the RPCs as JSON, /metrics, /livez and /readyz; 0 takes a free one."""

    probe_port: int | None = Field(None, ge=0, le=65535)
    """One more port for /livez, /readyz and /metrics, which answers when the public ones have all connections that they
    may; none by default."""

    metrics_names: MetricsNames = "tandem"
    """vllm: the metrics page also has what vLLM measures, under vLLM's names, for what was made for vLLM."""

    http_hosts: Annotated[list[str], NoDecode] = []
    """Host names under which browsers may ask for the page, besides localhost and IP addresses; separated by commas."""

    browser_origins: Annotated[list[str], NoDecode] = []
    """Origins of web pages elsewhere, such as https://app.example.com, that may call both ports, the gRPC port by
    gRPC-Web; separated by commas. None: no page but the gateway's own may."""

    ar_targets: Annotated[list[str], NoDecode] = ["127.0.0.1:50051"]
    """Replicas of the sequential backend, host:port each, separated by commas; none: not configured. A host name
    stands for all its addresses; it is looked up again each second."""

    gan_targets: Annotated[list[str], NoDecode] = ["127.0.0.1:50052"]
    """Replicas of the parallel backend, likewise."""

    max_in_flight: int = Field(512, ge=1, le=100_000)
    """Requests of one paradigm that may be at the gateway at a time; one more is refused at once."""

    max_connections: int = Field(1024, ge=1, le=1_000_000)
    """Connections of clients, to both ports together; one more is closed at once."""

    max_caller_share: float = Field(0.75, gt=0, le=1)
    """Of the requests in flight, their bytes and the connections, the part that one caller may hold. A caller is an API
    key, without keys an address. At 1, one caller may hold all."""

    prefix_cache: bool = True
    """Whether sequential replicas have a prefix cache, so that prompts that begin alike go to the same one; else each
    goes where the fewest requests are in flight."""

    workers: int = Field(1, ge=1, le=256)
    """Threads of the proxy."""

    api_keys_file: OptionalFile = None
    """TOML file of API keys' hashes and budgets, see `tandem keys new --help`; with it, callers need a key."""

    backend_ca: OptionalFile = None
    """PEM file of the CA that signed the backends' certificates; with it, connections to them use TLS."""

    backend_cert: OptionalFile = None
    """PEM file with the certificate that the gateway shows to backends that ask for one."""

    backend_key: OptionalFile = None
    """PEM file with the private key to backend_cert, without a passphrase."""

    def api_keys(self) -> tuple[ApiKey, ...]:
        """Return the keys that callers may have, none if no key is asked for. Raises ApiKeysFileError."""
        return load_api_keys(self.api_keys_file) if self.api_keys_file else ()

    def backend_tls(self) -> ChannelTls | None:
        """Return how to connect to backends, None for plaintext. Raises TlsFileError, ValueError."""
        identity = read_identity("backend_cert", self.backend_cert, "backend_key", self.backend_key)
        return read_channel_tls("backend_ca", self.backend_ca, identity)

    def certificates(self) -> list[Path]:
        """Return the files with certificates and keys, which are read again when they change."""
        ours = (self.tls_cert, self.tls_key, self.tls_client_ca)
        return [file for file in (*ours, self.backend_ca, self.backend_cert, self.backend_key) if file is not None]

    def guards(self) -> dict[str, bool]:
        return {**super().guards(), "api_keys_file": self.api_keys_file is not None}

    def warn(self) -> None:
        super().warn()
        if self.api_keys_file and not self.tls_cert and not is_loopback(self.host):
            logger.warning("API keys are not encrypted: %s is not loopback, and tls_cert is not set", self.host)

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        self.api_keys()
        self.backend_tls()
        return self

    @field_validator("http_hosts", "browser_origins", "ar_targets", "gan_targets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
            return [name.strip() for part in parts for name in part.split(",") if name.strip()]
        return value

    @field_validator("http_hosts")
    @classmethod
    def _check_names(cls, names: list[str]) -> list[str]:
        for name in names:
            if not _HOST_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a host name without a port")
        return [name.lower() for name in names]

    @field_validator("browser_origins")
    @classmethod
    def _check_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin.lower()):
                raise ValueError(f"{origin!r} is not an origin: https://HOST or http://HOST, with or without a port")
        return [origin.lower() for origin in origins]

    @field_validator("ar_targets", "gan_targets")
    @classmethod
    def _check(cls, targets: list[str]) -> list[str]:
        for target in targets:
            if not _TARGET.fullmatch(target):
                raise ValueError(f"{target!r} is not host:port")
        if len(set(targets)) != len(targets):
            raise ValueError("a replica is listed twice")
        return targets
