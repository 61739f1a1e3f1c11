"""The `tandem` command and its list of commands."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tandem.cli.command_line import CommandLine, LazyCommands
from tandem.version import VERSION

RUN, USE, LOOK = "Run", "Use", "Look"

COMMANDS = {
    # name: panel, module, the function or group in it
    "up": (RUN, "tandem.cli.servers.up", "up"),
    "demo": (RUN, "tandem.cli.servers.demo", "demo"),
    "generate": (USE, "tandem.cli.use.generate", "generate"),
    "sample": (USE, "tandem.cli.use.sample", "sample"),
    "score": (USE, "tandem.cli.use.score", "score"),
    "race": (LOOK, "tandem.cli.bench.compare", "race"),
    "collapse": (LOOK, "tandem.cli.models.collapse.collapse", "collapse"),
    "doctor": (LOOK, "tandem.cli.doctor", "doctor"),
    "settings": (LOOK, "tandem.cli.servers.settings", "settings"),
    "bench": (LOOK, "tandem.cli.bench.bench", "app"),
    "models": (LOOK, "tandem.cli.models.models", "app"),
    "keys": (RUN, "tandem.cli.servers.keys", "app"),
    "truth": (LOOK, "tandem.cli.bench.truth", "app"),
    "gateway": (LOOK, "tandem.cli.servers.gateway", "app"),
}


class _Commands(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = LazyCommands(COMMANDS)  # type: ignore[assignment]


app = CommandLine(
    name="tandem",
    cls=_Commands,
    help=(
        "Two kinds of generative model behind one gateway and one clock: transformers that stream text and images a"
        " token at a time, and a GAN that returns a whole batch of images in one pass."
    ),
    epilog="Start with [bold]tandem up[/bold] in one terminal and [bold]tandem generate 'Hello'[/bold] in another.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"tandem {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass
