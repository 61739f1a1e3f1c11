"""`tandem settings`: every setting of the three processes, from their Settings classes, as in docs/settings.md."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import typer

from tandem.cli.failures import friendly_errors
from tandem.cli.terminal import Terminal

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from runtime.settings import ProcessSettings

_HEADER = """\
# Settings

A process takes a setting from the first of these places that has it:

1. a flag: `--max-wait-seconds 5`
2. a variable of this process: `TANDEM_AR_MAX_WAIT_SECONDS=5` (`TANDEM_GAN_...`, `TANDEM_GATEWAY_...`)
3. a variable of all processes: `TANDEM_MAX_WAIT_SECONDS=5`
4. the table of this process in `tandem.toml`, then the top level of that file
5. the default

`tandem settings` prints this page."""
_SYMBOLS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def settings() -> None:
    """Print every setting of the gateway and both backends, with its type, range, default and meaning, as Markdown."""
    with friendly_errors(Terminal()):
        from gateway.settings import GatewaySettings
        from runtime.settings import ProcessSettings
        from services.ar.settings import ArSettings
        from services.gan.settings import GanSettings

        shared = ProcessSettings.model_fields
        typer.echo(_HEADER)
        typer.echo(_section("All processes", ProcessSettings, shared))
        for title, module, process in (
            ("Gateway", "gateway", GatewaySettings),
            ("Sequential backend", "services.ar", ArSettings),
            ("Parallel backend", "services.gan", GanSettings),
        ):
            own = [name for name in process.model_fields if name not in shared]
            typer.echo(_section(f"{title}: `python -m {module}`", process, own))


def _section(title: str, process: type[ProcessSettings], names: Collection[str]) -> str:
    head = [f"\n## {title}\n", "| setting | values | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*head, *(_row(name, process.model_fields[name]) for name in names)])


def _row(name: str, field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split())
    bounds = ", ".join(_bounds(field))
    cells = (f"`{name}`", f"{_type(field.annotation)} {bounds}".rstrip(), _default(field), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if origin in (Union, types.UnionType):
        return " or ".join(_type(arg) for arg in get_args(annotation) if arg is not types.NoneType)
    if origin is list:
        return f"list of {_type(get_args(annotation)[0])}"
    return {"str": "text", "Path": "path", "int": "whole number", "float": "number", "bool": "flag"}.get(
        getattr(annotation, "__name__", ""), str(annotation)
    )


def _bounds(field: FieldInfo) -> Iterator[str]:
    for rule in field.metadata:
        for key, symbol in _SYMBOLS.items():
            if (bound := getattr(rule, key, None)) is not None:
                yield f"{symbol} {bound:,}"


def _default(field: FieldInfo) -> str:
    default = field.default
    if default is None or default == []:
        return "none"
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, list):
        return ", ".join(f"`{item}`" for item in default)
    return f"`{default}`"
