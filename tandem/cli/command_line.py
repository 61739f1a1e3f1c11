"""What commands and groups of them are made of: parameters, errors in one line, help texts whose lines end where the
terminal does, and loading by need.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from inspect import Parameter, Signature
from typing import Any, get_type_hints

import typer


class CommandLine(typer.Typer):
    """A Typer whose commands are functions as `flatten` takes them. Their docstrings are reflowed: in Typer's rich
    markup a line break would be kept.
    """

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Register a command, as typer.Typer does; its help is its docstring."""
        register = super().command

        def decorate(function: Any) -> Any:
            return register(name, **{"help": reflow(inspect.getdoc(function) or ""), **options})(flatten(function))

        return decorate


def flatten(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command for typer, which ends with a line where an error is to be expected.

    The fields of each parameter that is a dataclass stand as parameters of their own, in its place; two fields must not
    have one name. A parameter that is a Terminal is no option: it gets the one that errors go to.
    """
    # Only here: what a command imports is loaded anyway, and the list of commands does without.
    from tandem.cli.failures import friendly_errors
    from tandem.cli.terminal import Terminal

    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    parameters: list[Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            own = get_type_hints(groups[name], include_extras=True)
            parameters += [_option(each, own) for each in inspect.signature(groups[name]).parameters.values()]
        elif hints[name] is not Terminal:
            parameters.append(_option(parameter, hints))
    flat_signature = Signature(parameters)

    def flat(**given: Any) -> None:
        bound = flat_signature.bind(**given)
        bound.apply_defaults()
        values, terminal = bound.arguments, Terminal()
        values |= {name: terminal for name, kind in hints.items() if kind is Terminal}
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        address = values.get("address")
        with friendly_errors(terminal, address if isinstance(address, str) else ""):
            command(**values)

    flat.__name__, flat.__doc__ = command.__name__, command.__doc__
    flat.__signature__ = flat_signature  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def _option(parameter: Parameter, hints: Mapping[str, Any]) -> Parameter:
    return parameter.replace(annotation=hints[parameter.name], kind=Parameter.KEYWORD_ONLY)


class LazyCommands(Mapping[str, Any]):
    """Commands by name, each made when it is looked up: so a command imports no other's modules.

    `places`: the help panel of each, its module, and the name of its function or group there.
    """

    def __init__(self, places: Mapping[str, tuple[str, str, str]]) -> None:
        self._places = places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, name: str) -> Any:
        panel, module, attribute = self._places[name]
        found = getattr(importlib.import_module(module), attribute)
        parent = CommandLine(rich_markup_mode="rich")
        if isinstance(found, typer.Typer):
            parent.add_typer(found, name=name, rich_help_panel=panel)
        else:
            parent.command(name, rich_help_panel=panel)(found)
        return typer.main.get_group(parent).commands[name]


def reflow(text: str) -> str:
    """Return the paragraphs of a text, each in one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
