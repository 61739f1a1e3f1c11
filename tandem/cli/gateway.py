"""`tandem gateway config`: the proxy's configuration, as the gateway would run it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.failures import friendly_errors
from tandem.cli.terminal import Terminal

PRINTED_FOLDER = Path("/run/tandem-gateway")

app = typer.Typer(help="Look into the gateway.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def config(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option(help="Write all files that Envoy starts with into this folder instead, and have it check them."),
    ] = None,
) -> None:
    """Print the configuration of Envoy, as JSON, that the gateway would run with.

    Takes the flags of [bold]python -m gateway[/bold], TANDEM_* variables and tandem.toml. The gateway itself keeps its
    sockets in a private folder with a random name; here it is /run/tandem-gateway.
    """
    terminal = Terminal()
    with friendly_errors(terminal):
        from gateway.proxy import bootstrap
        from gateway.proxy.binary import find_envoy
        from gateway.proxy.sockets import Sockets
        from gateway.proxy.validate import validate
        from gateway.settings import GatewaySettings

        settings = GatewaySettings.from_command_line("gateway", context.args)
        if folder is None:
            typer.echo(json.dumps(bootstrap.document(settings, Sockets(PRINTED_FOLDER)), indent=2))
            return
        sockets = Sockets(folder.absolute())
        sockets.reload.mkdir(parents=True, exist_ok=True)
        bootstrap.write(settings, sockets)
        terminal.note(f"written: {sockets.bootstrap}")
        if problems := validate(find_envoy(), sockets.bootstrap):
            raise ValueError("\n".join(problems))
