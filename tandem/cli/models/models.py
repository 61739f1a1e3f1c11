"""`tandem models`: what is in the model repository, fetching it, checking it."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from runtime.metrics import new_registry
from runtime.model_worker import ModelWorker
from tandem.cli.command_line import CommandLine
from tandem.cli.failures import FAILED, INTERRUPTED
from tandem.cli.models.add import add
from tandem.cli.models.evaluate import evaluate
from tandem.cli.models.quantisation.quantise import quantise
from tandem.cli.models.seeds.check import check_seeds
from tandem.cli.models.weights import fetch, inspect, weight_paths, weights_state
from tandem.cli.options import ADDRESS, MODELS_DIR, ModelsDir
from tandem.cli.terminal import Terminal
from tandem.client.credentials import address_of_environment
from tandem.shared.errors import ExpectedError
from tandem.shared.models import Model, ModelError, ModelRepository

app = CommandLine(
    help="The model repository: list what is there, add a model, fetch weights, check and evaluate them.",
    no_args_is_help=True,
)
app.command()(add)
app.command()(evaluate)
app.command()(quantise)

_SEEDS = "With --seeds"

Name = Annotated[str, typer.Argument(help="Name of the model's folder.")]


@app.command("list")
def list_models(terminal: Terminal, models_dir: ModelsDir = MODELS_DIR) -> None:
    """List the models and whether their weights are here. Ends with 1 if a folder holds no valid model."""
    repository = _repository(models_dir)
    are_good = [_print_model(repository, name, terminal) for name in repository.names()]
    if not all(are_good):
        raise typer.Exit(FAILED)


def _print_model(repository: ModelRepository, name: str, terminal: Terminal) -> bool:
    """Print what there is to say of a folder; return whether it is a model's."""
    try:
        model = repository.get(name)
    except ModelError as error:
        terminal.out.print(f"{name}: {error}", markup=False)
        return False
    spec = model.spec
    kind = f"{spec.modality} {spec.kind}"
    terminal.out.print(f"{name}: {kind}, weights {weights_state(model)}, {spec.licence}", markup=False)
    terminal.out.print(Padding(Text(spec.description), (0, 0, 0, 4)))
    return True


@app.command()
def pull(terminal: Terminal, name: Name, models_dir: ModelsDir = MODELS_DIR) -> None:
    """Download a model's weights, if they are not here, and check their digest."""
    for path in fetch(_repository(models_dir).get(name), terminal.note):
        typer.echo(path)


@app.command()
def check(
    terminal: Terminal,
    name: Name,
    seeds: Annotated[
        bool,
        typer.Option(
            "--seeds",
            help="Check instead what a server makes of it: same seeds, same outputs, alone and beside other requests.",
        ),
    ] = False,
    address: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help=rf"A gateway or a backend; repeat it to compare replicas.  \[default: TANDEM_ADDRESS or {ADDRESS}]",
            rich_help_panel=_SEEDS,
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Seeds to try.", rich_help_panel=_SEEDS)] = 64,
    timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Give up after this time.", rich_help_panel=_SEEDS)
    ] = 900,
    models_dir: ModelsDir = MODELS_DIR,
) -> None:
    """Check a model: the digests of its files, what they hold, and that its backend can load it and warm it up.

    The last line says that it can be served, or why it can't.
    """
    if address and not seeds:
        raise typer.BadParameter("a server is asked only with --seeds", param_hint="--address")
    if not seeds:
        _check_files(_repository(models_dir).get(name), terminal)
        return
    addresses = address or [address_of_environment(ADDRESS)]
    if not check_seeds(name, addresses, terminal, num_seeds=count, timeout_seconds=timeout):
        raise typer.Exit(FAILED)


def _check_files(model: Model, terminal: Terminal) -> None:
    with terminal.working("digests"):
        model.verify_files()
    count = len(model.spec.files) + (model.spec.wheel is not None)
    typer.echo(f"digests: {count} of {count} as model.toml says" if count else "digests: model.toml has none")
    for path in weight_paths(model):
        with terminal.working(f"opening {path.name}"):
            found = inspect(path)
        typer.echo(f"{path.name}: {found}")
    if model.spec.kind == "judge":
        typer.echo(f"{model.name}: measures images, and is not served")
        return
    with terminal.working("loading it as its backend does"):
        _try_serving(model)
    typer.echo(f"{model.name}: can be served")


def _try_serving(model: Model) -> None:
    """Load a transformer or a GAN as its own backend does at its start, warm it up, and let go of it again.

    Raises what ends the backend at its start: ModelError, ProviderError. A setting that is not accepted exits with 2.
    Ctrl-C ends the process at once, as the thread that loads cannot be interrupted.
    """
    from runtime.process.lifecycle import end_now

    async def start_and_stop() -> None:
        worker = _worker(model)
        try:
            await worker.start()
        finally:
            await worker.stop()

    try:
        asyncio.run(start_and_stop())
    except KeyboardInterrupt:
        end_now(INTERRUPTED)


def _worker(model: Model) -> ModelWorker[Any]:
    """Return what holds the models of the backend, with its settings from the environment and tandem.toml."""
    words = ["--models-dir", str(model.folder.parent), "--models", json.dumps([model.name])]
    if model.spec.kind == "transformer":
        from services.ar.loading import ArWorker
        from services.ar.metrics import ArMetrics
        from services.ar.settings import ArSettings

        return ArWorker(ArSettings.from_command_line("services.ar", words), ArMetrics(new_registry()))
    from services.gan.image_model import GanWorker
    from services.gan.metrics import GanMetrics
    from services.gan.settings import GanSettings

    return GanWorker(GanSettings.from_command_line("services.gan", words), GanMetrics(new_registry()))


def _repository(folder: Path) -> ModelRepository:
    repository = ModelRepository(folder)
    if not repository.names():
        raise ExpectedError(f"{folder}: no models here; run this where models/ is, or name a folder by --models-dir")
    return repository
