"""Whether and where traces go, by OpenTelemetry's own variables: those of its SDK, with its defaults.

What is not here, as headers, certificates and time-outs of the export, the SDK reads itself.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tandem.shared.validation_errors import describe_setting_errors

_ENDPOINT = re.compile(r"(https?://)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/?|unix:\S+")

_PARENT_BASED = "parentbased_"
Sampler = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]


def _of_traces(name: str) -> AliasChoices:
    """Return the variable for traces, and the one for every signal."""
    return AliasChoices(f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}")


def _variable(name: str) -> str:
    """Return the variable that a value came from; `name` is the first of those that it may come from."""
    return name if name in os.environ else name.replace("_TRACES_", "_")


def _is_on() -> bool:
    """Return whether to trace; if not, the other variables may say what they like."""
    names = ("OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER")
    exporter, is_disabled, sampler = (os.environ.get(name, "") for name in names)
    is_off = exporter == "none" or is_disabled.lower() == "true" or sampler == "always_off"
    return not is_off and any(os.environ.get(str(name)) for name in _of_traces("ENDPOINT").choices)


class TracingSettings(BaseSettings):
    """How to trace."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", populate_by_name=True)

    endpoint: str = Field(default="", validation_alias=_of_traces("ENDPOINT"))
    """The collector, as http://HOST:4317; https:// for TLS."""

    exporter: Literal["otlp"] = Field(default="otlp", validation_alias="OTEL_TRACES_EXPORTER")

    protocol: Literal["grpc"] = Field(default="grpc", validation_alias=_of_traces("PROTOCOL"))

    sampler: Sampler = Field(default="parentbased_always_on", validation_alias="OTEL_TRACES_SAMPLER")
    """Which requests are recorded; the decision of a caller who made one holds where it begins with parentbased."""

    ratio: float = Field(default=1.0, ge=0.0, le=1.0, validation_alias="OTEL_TRACES_SAMPLER_ARG")
    """The share of traces that samplers with a ratio record."""

    max_queue_size: int = Field(default=2048, ge=1, le=1_000_000, validation_alias="OTEL_BSP_MAX_QUEUE_SIZE")
    """Spans that may wait for the collector or be in transit; further ones are dropped and counted."""

    max_batch_size: int = Field(default=512, ge=1, le=1_000_000, validation_alias="OTEL_BSP_MAX_EXPORT_BATCH_SIZE")
    """Spans that travel together, and at which they do not wait for others."""

    @property
    def is_parent_based(self) -> bool:
        """Whether the decision of a caller who made one holds."""
        return self.sampler.startswith(_PARENT_BASED)

    @property
    def root_ratio(self) -> float:
        """The share that is recorded of traces that begin here."""
        ratios = {"always_on": 1.0, "always_off": 0.0, "traceidratio": self.ratio}
        return ratios[self.sampler.removeprefix(_PARENT_BASED)]

    @classmethod
    def from_environment(cls, program: str) -> TracingSettings | None:
        """Return the settings, None if nothing is to be traced; on a bad value say which, and exit with 2."""
        if not _is_on():
            return None
        try:
            return cls()
        except ValidationError as error:
            print(f"{program}: bad setting\n{describe_setting_errors(error, _variable)}", file=sys.stderr)
            sys.exit(2)

    @field_validator("endpoint")
    @classmethod
    def _check(cls, endpoint: str) -> str:
        if not _ENDPOINT.fullmatch(endpoint):
            raise ValueError("is not http://HOST:PORT, https://HOST:PORT or HOST:PORT")
        return endpoint
