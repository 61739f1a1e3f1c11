"""The `tandem` command and its list of commands."""

from typing import Annotated

import typer

from tandem.cli.bench import bench
from tandem.cli.bench.comparison import race
from tandem.cli.command_line import CommandLine
from tandem.cli.doctor import doctor
from tandem.cli.models import models
from tandem.cli.models.collapse import collapse
from tandem.cli.servers import demo, gateway, keys, settings, up
from tandem.cli.use import generate, sample, score
from tandem.version import VERSION

RUN, USE, LOOK = "Run", "Use", "Look"

app = CommandLine(
    name="tandem",
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


app.command(rich_help_panel=RUN)(up.up)
app.command(rich_help_panel=RUN)(demo.demo)
app.command(rich_help_panel=USE)(generate.generate)
app.command(rich_help_panel=USE)(sample.sample)
app.command(rich_help_panel=USE)(score.score)
app.command(rich_help_panel=LOOK)(race.race)
app.command(rich_help_panel=LOOK)(collapse.collapse)
app.command(rich_help_panel=LOOK)(doctor.doctor)
app.add_typer(bench.app, name="bench", rich_help_panel=LOOK)
app.add_typer(models.app, name="models", rich_help_panel=LOOK)
app.add_typer(keys.app, name="keys", rich_help_panel=RUN)
app.command(rich_help_panel=LOOK)(settings.settings)
app.add_typer(gateway.app, name="gateway", rich_help_panel=LOOK)
