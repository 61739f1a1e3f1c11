"""`tandem gateway config`: the proxy's configuration, as the gateway would run it; and whether it runs here."""

import json
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.command_line import CommandLine
from tandem.cli.terminal import Terminal
from tandem.shared.errors import ExpectedError

PRINTED_FOLDER = Path("/run/tandem-gateway")
_VERSION_SECONDS = 20


class EnvoyCannotRun(ChildProcessError):
    """Expected error: the binary is not one for this machine; the operator must install another."""


def envoy_version() -> str:
    """Return Envoy's version, as "1.40.0". Raises OSError, whose text says what is missing."""
    from gateway.proxy.binary import find_envoy

    binary = str(find_envoy())
    try:
        printed = subprocess.check_output((binary, "--version"), stderr=subprocess.PIPE, timeout=_VERSION_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvoyCannotRun(f"{binary} does not run on this machine: {error}") from None
    # PATH  version: COMMIT/VERSION/Clean/RELEASE/BoringSSL
    parts = printed.decode().partition("version: ")[2].split("/")
    return parts[1] if len(parts) > 1 else "of unknown version"


app = CommandLine(help="Inspect the gateway.", no_args_is_help=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def config(
    terminal: Terminal,
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option(help="Write all files that Envoy starts with into this folder instead, and have it check them."),
    ] = None,
) -> None:
    """Print the configuration of Envoy, as JSON, that the gateway would run with.

    Takes the flags of [bold]python -m gateway[/bold], TANDEM_* and OTEL_* variables and tandem.toml. The gateway itself
    keeps its sockets in a private folder with a random name; here it is /run/tandem-gateway.
    """
    from gateway.proxy import bootstrap
    from gateway.proxy.binary import find_envoy, validate
    from gateway.proxy.sockets import Sockets
    from gateway.settings import GatewaySettings
    from gateway.tracing.settings import TracingSettings

    settings = GatewaySettings.from_command_line("gateway", context.args)
    tracing = TracingSettings.from_environment("gateway")
    if folder is None:
        document = bootstrap.document(settings, Sockets(PRINTED_FOLDER), tracing=tracing)
        typer.echo(json.dumps(document, indent=2))
        return
    sockets = Sockets(folder.absolute())
    sockets.reload.mkdir(parents=True, exist_ok=True)
    bootstrap.write(settings, sockets, tracing=tracing)
    terminal.note(f"written: {sockets.bootstrap}")
    if problems := validate(find_envoy(), sockets.bootstrap):
        raise ExpectedError("\n".join(problems))
