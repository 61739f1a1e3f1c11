"""`tandem settings`: every setting of the three processes, from their Settings classes, as in docs/settings.md."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
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
_TYPES = {"string": "text", "path": "path", "integer": "whole number", "number": "number", "boolean": "flag"}
_SYMBOLS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def settings() -> None:
    """Print every setting of the gateway and both backends, with its type, range, default and meaning, as Markdown."""
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
    schemas = process.model_json_schema()["properties"]
    return "\n".join([*head, *(_row(name, schemas[name]) for name in names)])


def _row(name: str, schema: dict[str, Any]) -> str:
    cells = (f"`{name}`", _values(schema), _default(schema["default"]), " ".join(schema["description"].split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_values(one) for one in schema["anyOf"] if one != {"type": "null"})
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_values(schema['items'])}"
    bounds = ", ".join(f"{symbol} {schema[key]:,}" for key, symbol in _SYMBOLS.items() if key in schema)
    return f"{_TYPES[schema.get('format', schema['type'])]} {bounds}".rstrip()


def _default(default: Any) -> str:
    if default is None or default == []:
        return "none"
    if isinstance(default, bool):
        return "on" if default else "off"
    return ", ".join(f"`{item}`" for item in (default if isinstance(default, list) else [default]))
