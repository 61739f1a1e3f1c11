"""`tandem up`: the three processes, until Ctrl-C."""

import asyncio
import shlex
from typing import Annotated

import typer

from tandem.cli.options import MODELS_DIR, ModelsDir
from tandem.cli.servers.gateway import envoy_version
from tandem.cli.servers.plan import (
    MOST_REPLICAS,
    PARALLEL_MODELS,
    SEQUENTIAL_MODELS,
    Plan,
    Ports,
    choose_models,
    free_pairs,
)
from tandem.cli.servers.ports import HOST
from tandem.cli.servers.stack import LOG_FOLDER, run_plan
from tandem.cli.terminal import Terminal
from tandem.shared.model_spec import ModelSpec
from tandem.shared.models import ModelRepository


def up(
    terminal: Terminal,
    ports: Ports,
    models_dir: ModelsDir = MODELS_DIR,
    sequential_model: Annotated[
        list[str] | None,
        typer.Option(help=rf"Which to serve; may be repeated.  \[default: {', '.join(SEQUENTIAL_MODELS)}, if there]"),
    ] = None,
    parallel_model: Annotated[
        list[str] | None,
        typer.Option(help=rf"Which to serve; may be repeated.  \[default: {', '.join(PARALLEL_MODELS)}, if there]"),
    ] = None,
    replicas: Annotated[
        int, typer.Option(min=1, max=MOST_REPLICAS, help="Processes of each backend, which share this machine's cores.")
    ] = 1,
    drain_seconds: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds that open requests get to finish after Ctrl-C.")
    ] = 10.0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the processes' logs here.")] = False,
) -> None:
    """Start the gateway and both backends, and keep them until Ctrl-C.

    Where Envoy does not run there is no gateway, and the backends serve alone. A process that dies is started once
    more; if it dies again, all are stopped. Missing weights are downloaded first. Other settings of the processes:
    TANDEM_* variables and tandem.toml, see [bold]python -m services.ar --help[/bold], [bold]services.gan[/bold] and
    [bold]gateway[/bold].
    """
    models = choose_models(models_dir, sequential_model, parallel_model)
    has_gateway = True
    try:
        envoy_version()
    except OSError as problem:
        has_gateway = False
        terminal.note(f"without a gateway, the backends alone: {problem}")
    more = (free_pairs(replicas - 1), free_pairs(replicas - 1))
    plan = Plan(ports, models_dir, *models, drain_seconds, has_gateway, "", *more)

    async def until_stopped() -> int:
        from gateway.settings import GatewaySettings

        # The gateway reads its settings from where they are read here.
        is_secure = GatewaySettings.from_command_line("gateway", []).tls_cert is not None
        announce(plan, terminal, is_secure=is_secure)
        await asyncio.Event().wait()
        return 0

    raise typer.Exit(run_plan(plan, terminal, verbose, until_stopped, restarts=True))


def announce(plan: Plan, terminal: Terminal, *, is_secure: bool = False) -> None:
    """Print where everything is, and what to try; `is_secure` says whether the gateway serves with TLS."""
    ports = plan.ports
    pages = f"{'https' if is_secure else 'http'}://{HOST}:{ports.http_port}"
    of_paradigms = [
        (plan.sequential_models, plan.sequential_ports, "sequential"),
        (plan.parallel_models, plan.parallel_ports, "parallel"),
    ]
    served = [(pair, name) for models, pairs, name in of_paradigms if models for pair in pairs]
    backends = f"the backends' on {' and '.join(str(port) for (_, port), _ in served)}"
    where = [
        ("gRPC", f"{plan.address}  (reflection and health included)"),
        ("web page", f"{pages}/"),
        ("metrics", f"{pages}/metrics, and {backends}"),
    ]
    alone = [("gRPC", " and ".join(f"{HOST}:{port} ({name})" for (port, _), name in served)), ("metrics", backends)]
    lines = [
        *(where if plan.has_gateway else alone),
        ("logs", f"{LOG_FOLDER}/"),
        *(("try", f"tandem {words}{_address_for(words, plan)}") for words in suggestions(plan)),
        ("stop", "Ctrl-C"),
    ]
    for name, value in lines:
        terminal.out.print(f"{name:>9}  {value}", markup=False, soft_wrap=True)


def _address_for(words: str, plan: Plan) -> str:
    """Return the option that a command needs to find whom it asks."""
    if plan.has_gateway:
        return "" if plan.ports == Ports() else f" --address {plan.address}"
    return f" --address {HOST}:{plan.ports.gan_port if words.startswith('sample') else plan.ports.ar_port}"


def suggestions(plan: Plan) -> list[str]:
    """Return a command for each sort of model that is served: a text, an image in sequence, in steps, in parallel."""
    repository = ModelRepository(plan.models_dir)
    sequential = [repository.get(name) for name in plan.sequential_models]
    commands: dict[str, str] = {}
    kinds = [_kind(model.spec) for model in sequential]
    for kind, model in zip(kinds, sequential, strict=True):
        drawn = f"generate --label {_first_class(model.spec)} {'--steps 8' if kind == 'steps' else '--partial'}"
        command = "generate 'Why is the sky blue?'" if kind == "text" else drawn
        commands.setdefault(kind, f"{command} --model {model.name}" if kinds.count(kind) > 1 else command)
    if plan.parallel_models:
        first, *others = plan.parallel_models
        spec = repository.get(first).spec
        drawn = f"sample --label {_first_class(spec)}" if spec.image and spec.image.class_names else "sample"
        commands["parallel"] = f"{drawn} --model {first}" if others else drawn
    return list(commands.values())


def _kind(spec: ModelSpec) -> str:
    """Return what a request needs to say of a model: a request without a name finds the only one of its kind."""
    has_mask = spec.image_tokens is not None and spec.image_tokens.mask_token is not None
    return "steps" if has_mask else spec.modality


def _first_class(spec: ModelSpec) -> str:
    """Return the name of a class as a shell takes it."""
    return shlex.quote(spec.image.class_names[0]) if spec.image is not None else "0"
