"""Texts from files and from standard input, which must be UTF-8."""

import sys
from pathlib import Path

import typer


def text_of(file: Path) -> str:
    """Return a file's content. Raises BadParameter."""
    return _decode(file.read_bytes(), str(file))


def text_of_input() -> str:
    """Return standard input. Raises BadParameter."""
    return _decode(sys.stdin.buffer.read(), "standard input")


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{name} is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}") from None
