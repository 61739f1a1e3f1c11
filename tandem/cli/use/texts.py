"""Texts of `tandem generate`: read from files and standard input, and written to the terminal as they are generated."""

import sys
from collections import defaultdict
from pathlib import Path

import typer

from tandem.cli.terminal import Terminal
from tandem.cli.use.stopwatch import Stopwatch, generation_summary
from tandem.cli.use.token_view import token_line
from tandem.client import GenerateChunk, GenerateOptions, Prompt, TandemClient


def text_of(file: Path) -> str:
    """Return the content of a UTF-8 file. Raises BadParameter."""
    return _decode(file.read_bytes(), str(file))


def text_of_input() -> str:
    """Return standard input as UTF-8. Raises BadParameter."""
    return _decode(sys.stdin.buffer.read(), "standard input")


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{name} is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}") from None


def write_text(terminal: Terminal, address: str, prompt: Prompt, options: GenerateOptions, *, is_verbose: bool) -> None:
    """Write one text as it comes; several one after another, each when all of them are there."""
    with TandemClient(address) as client:
        stopwatch, texts = Stopwatch(), _Texts(terminal, options)
        last: GenerateChunk | None = None
        with client.generate(prompt, **options) as generation:
            for last in generation:
                stopwatch.tokens(len(last.token_ids))
                texts.take(last)
        texts.end()
        if last is not None:
            terminal.note(generation_summary(last, stopwatch, is_full=is_verbose))


class _Texts:
    """What is written of the chunks of one generation."""

    def __init__(self, terminal: Terminal, options: GenerateOptions) -> None:
        self._terminal = terminal
        self._has_lines = bool(options.get("logprobs"))
        self._is_one = options.get("n", 1) == 1
        self._chunks: defaultdict[int, list[GenerateChunk]] = defaultdict(list)

    def take(self, chunk: GenerateChunk) -> None:
        if self._is_one:
            self._write(chunk)
        else:
            self._chunks[chunk.choice_index].append(chunk)

    def end(self) -> None:
        for number, chunks in sorted(self._chunks.items()):
            self._terminal.note(f"{number + 1}.")
            for chunk in chunks:
                self._write(chunk)
            self._end_line()
        if self._is_one:
            self._end_line()

    def _end_line(self) -> None:
        if not self._has_lines:
            self._terminal.write("\n")

    def _write(self, chunk: GenerateChunk) -> None:
        if not self._has_lines:
            self._terminal.write(chunk.text)
        for token in chunk.logprobs:
            self._terminal.out.print(token_line(token), soft_wrap=not self._terminal.is_interactive)
