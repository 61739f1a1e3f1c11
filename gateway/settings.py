"""Settings of the gateway; flags, TANDEM_* variables and the [gateway] table of tandem.toml."""

import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from runtime.settings import ProcessSettings

_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+")
_TARGET = re.compile(r"[^\s:/,]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")


class GatewaySettings(ProcessSettings):
    """What the gateway can be told."""

    port: int = Field(50050, ge=0, le=65535)
    """gRPC port; 0 takes a free one."""

    http_port: int = Field(8080, ge=0, le=65535)
    """Port of the web page, the RPCs as JSON, /metrics, /livez and /readyz; 0 takes a free one."""

    http_hosts: Annotated[list[str], NoDecode] = []
    """Host names under which browsers may ask for the page, besides localhost and IP addresses; separated by commas."""

    ar_targets: Annotated[list[str], NoDecode] = ["127.0.0.1:50051"]
    """Replicas of the sequential backend, host:port each, separated by commas; a host name stands for all its addresses,
    asked for again each second; none: not configured."""

    gan_targets: Annotated[list[str], NoDecode] = ["127.0.0.1:50052"]
    """Replicas of the parallel backend, likewise."""

    max_in_flight: int = Field(512, ge=1, le=100_000)
    """Requests of one paradigm that may be at the gateway at a time; one more is refused at once."""

    @field_validator("http_hosts", "ar_targets", "gan_targets", mode="before")
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

    @field_validator("ar_targets", "gan_targets")
    @classmethod
    def _check(cls, targets: list[str]) -> list[str]:
        for target in targets:
            if not _TARGET.fullmatch(target):
                raise ValueError(f"{target!r} is not host:port")
        if len(set(targets)) != len(targets):
            raise ValueError("a replica is listed twice")
        return targets
