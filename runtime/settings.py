"""Settings: command line flags > environment TANDEM_<PROCESS>_* > TANDEM_* > tandem.toml > defaults.

Only this module and the `settings.py` of each process read the environment.
"""

import logging
import sys
import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    CliApp,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from runtime.http2 import Http2
from runtime.tls import ServerTls, read_identity, read_server_tls
from tandem.shared.errors import ExpectedError
from tandem.shared.loopback import is_loopback
from tandem.shared.validation_errors import describe_setting_errors

logger = logging.getLogger(__name__)

# An empty variable is how a compose file says that there is none.
OptionalFile = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else value)]


class OpenToAll(ExpectedError):
    """Expected error: a server would take anybody's requests from anywhere; `guards` are settings that prevent it."""

    def __init__(self, host: str, guards: str) -> None:
        super().__init__(
            f"host: {host!r} can be reached from other machines, and nothing restricts access; set {guards}, or bind"
            " to 127.0.0.1, or start it open to all with allow_open (--allow-open, TANDEM_ALLOW_OPEN=true)"
        )


class ProcessSettings(BaseSettings):
    """What every server process has. A subclass is named after its process: ArSettings reads the table [ar]."""

    model_config = SettingsConfigDict(
        env_prefix="TANDEM_",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        use_attribute_docstrings=True,
        extra="forbid",
    )

    host: str = "127.0.0.1"
    """Address to bind to; by default only this machine can reach it."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe log lines to write; at DEBUG the gateway writes a line for each request."""

    drain_seconds: float = Field(10.0, ge=0, le=3600)
    """Seconds that open requests get to finish after a stop signal."""

    tls_cert: OptionalFile = None
    """PEM file with the certificate to serve with, and those that lead to its CA; without it nothing is encrypted."""

    tls_key: OptionalFile = None
    """PEM file with the private key to tls_cert, without a passphrase."""

    tls_client_ca: OptionalFile = None
    """PEM file of the CA that must have signed a client's certificate (mutual TLS); without it none is asked for."""

    allow_open: bool = False
    """Start even if other machines can reach the server and no guard is set."""

    def server_tls(self) -> ServerTls | None:
        """Return what the server shows and asks for, None without TLS. Raises TlsFileError, ValueError."""
        identity = read_identity("tls_cert", self.tls_cert, "tls_key", self.tls_key)
        return read_server_tls(identity, "tls_client_ca", self.tls_client_ca)

    def guards(self) -> dict[str, bool]:
        """Return the settings that restrict access, and whether one is set."""
        return {"tls_client_ca (with tls_cert and tls_key)": self.tls_client_ca is not None}

    def warn(self) -> None:
        """Write to the log what an operator should know of who can reach the server."""
        if not is_loopback(self.host) and not any(self.guards().values()):
            logger.warning("open to all: anybody who can reach %s can use this server", self.host)

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, host: str) -> str:
        """Accept an IPv6 address as it is written before a port, too: everything else gets it without brackets."""
        return host.removeprefix("[").removesuffix("]")

    @model_validator(mode="after")
    def _check_who_gets_in(self) -> Self:
        self.server_tls()
        guards = self.guards()
        if not (is_loopback(self.host) or any(guards.values()) or self.allow_open):
            raise OpenToAll(self.host, " or ".join(guards))
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        own = _Environment(settings_cls, env_prefix=f"TANDEM_{_table_name(settings_cls).upper()}_")
        return init_settings, own, _Environment(settings_cls), _TableOfToml(settings_cls, Path("tandem.toml"))

    @classmethod
    def from_command_line(cls, program: str, arguments: list[str] | None = None) -> Self:
        """Read all sources; on a bad value print the key, the value and what is accepted, and exit with 2.

        `arguments` stand in for the process's own.
        """
        try:
            return CliApp.run(cls, cli_args=sys.argv[1:] if arguments is None else arguments)
        except ValidationError as error:
            reasons = describe_setting_errors(error, _describe_key)
        except (ExpectedError, SettingsError) as error:
            reasons = f"  {error}"
        print(f"{program}: bad setting\n{reasons}", file=sys.stderr)
        sys.exit(2)


class BackendSettings(ProcessSettings):
    """What both backends have."""

    http2: Http2 = "auto"
    """What serves gRPC: native is compiled C++ with nghttp2, the fastest, without TLS; auto takes it if it is
    available, else grpcio."""


class _Environment(EnvSettingsSource):
    """Variables; one that should be JSON and is none is refused as any other bad value is, with its name."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


class _TableOfToml(TomlConfigSettingsSource):
    """The top level of tandem.toml and the process's own table in it, the table first."""

    def __init__(self, settings_cls: type[BaseSettings], toml_file: Path) -> None:
        self.settings_cls = settings_cls  # the base class reads the file before it sets this
        super().__init__(settings_cls, toml_file)

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        name = _table_name(self.settings_cls)
        try:
            content: dict[str, Any] = super()._read_file(file_path)
        except UnicodeDecodeError:
            raise ExpectedError(f"{file_path}: not a text in UTF-8") from None
        except tomllib.TOMLDecodeError as error:
            raise ExpectedError(f"{file_path}: not valid TOML: {error}") from None
        except OSError as error:
            raise ExpectedError(f"{file_path}: cannot be read: {error.strerror}") from None
        table = content.get(name, {})
        if not isinstance(table, dict):
            raise ExpectedError(f"{file_path}: {name}: {table!r}: it should be a table, [{name}]")
        shared: dict[str, Any] = {key: value for key, value in content.items() if not isinstance(value, dict)}
        return {**shared, **table}


def _table_name(settings_cls: type[BaseSettings]) -> str:
    return settings_cls.__name__.removesuffix("Settings").lower()


def _describe_key(key: str) -> str:
    """Return a setting with all the ways to set it."""
    return f"{key} (--{key.replace('_', '-')}, TANDEM_{key.upper()})"
