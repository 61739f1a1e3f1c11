"""The Typer application that all groups of commands are made of: help texts whose lines end where the terminal does."""

import inspect
from collections.abc import Callable
from typing import Any

import typer


class CommandLine(typer.Typer):
    """A Typer whose commands' docstrings are reflowed: in Typer's rich markup a line break would be kept."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Register a command, as typer.Typer does; its help is its docstring."""
        register = super().command

        def decorate(function: Any) -> Any:
            return register(name, **{"help": reflowed(inspect.getdoc(function) or ""), **options})(function)

        return decorate


def reflowed(text: str) -> str:
    """Return the paragraphs of a text, each in one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
