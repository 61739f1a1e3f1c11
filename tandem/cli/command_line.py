"""What groups of commands are made of: help texts whose lines end where the terminal does; commands loaded by need."""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer


class CommandLine(typer.Typer):
    """A Typer whose commands' docstrings are reflowed: in Typer's rich markup a line break would be kept."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Register a command, as typer.Typer does; its help is its docstring."""
        register = super().command

        def decorate(function: Any) -> Any:
            return register(name, **{"help": reflow(inspect.getdoc(function) or ""), **options})(function)

        return decorate


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
