"""How a stream of `tandem generate` is shown: a text as it is written, images as they grow, tokens with their
probabilities.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import typer
from rich.console import Group
from rich.text import Text

from tandem.cli.terminal import Terminal
from tandem.cli.use.image_file import save_image
from tandem.cli.use.stopwatch import Stopwatch, generation_summary
from tandem.cli.use.terminal_images import image_lines, show_image
from tandem.client import Alternative, GenerateChunk, GenerateOptions, ImageBatch, Prompt, TandemClient, TokenLogprob
from tandem.client.images import join
from tandem.measure import formats

_STYLES = ((0.9, "bright_green"), (0.5, "green"), (0.2, "yellow"), (0.05, "dark_orange"), (0.0, "red"))
_BAR_CELLS = 10


def stream(
    terminal: Terminal, address: str, prompt: Prompt | None, options: GenerateOptions, output: Output, *, is_full: bool
) -> None:
    """Show a generation as it comes, and then how long it took; `is_full`: with all timings."""
    with TandemClient(address) as client:
        stopwatch, last = Stopwatch(), None
        with output.shown, client.generate(prompt, **options) as generation:
            for last in generation:
                stopwatch.tokens(len(last.token_ids))
                output.take(last)
        output.end()
        if last is not None:
            terminal.note(generation_summary(last, stopwatch, is_full=is_full))


class Output:
    """What becomes of a generation's chunks. `shown` is open while they come; `end` follows if all went well."""

    shown: AbstractContextManager[object] = nullcontext()

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def take(self, chunk: GenerateChunk) -> None:
        raise NotImplementedError

    def end(self) -> None:
        raise NotImplementedError

    def _show_tokens(self, chunk: GenerateChunk) -> None:
        for token in chunk.logprobs:
            self._terminal.out.print(token_line(token), soft_wrap=not self._terminal.is_interactive)


class Texts(Output):
    """One text as it comes; several one after another, each when all of them are there."""

    def __init__(self, terminal: Terminal, options: GenerateOptions) -> None:
        super().__init__(terminal)
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
        self._show_tokens(chunk)


class GrowingImages(Output):
    """Images that are redrawn in place in a terminal, gone at the end; then a grid of them in a file and on it."""

    def __init__(self, terminal: Terminal, file: Path) -> None:
        super().__init__(terminal)
        self._file = file
        self.shown = self._live = terminal.redrawn()
        self._images: dict[int, ImageBatch] = {}

    def take(self, chunk: GenerateChunk) -> None:
        self._show_tokens(chunk)
        if chunk.image is not None:
            self._images[chunk.choice_index] = chunk.image
            if self._terminal.is_interactive:
                self._live.update(Group(*image_lines(self._terminal.out, self._all().to_grid())), refresh=True)

    def end(self) -> None:
        if self._images:
            grid = self._all().to_grid()
            save_image(grid, self._file)
            show_image(self._terminal.out, grid)
            typer.echo(self._file)

    def _all(self) -> ImageBatch:
        """Return the newest image of each choice."""
        return join([self._images[index] for index in sorted(self._images)])


def token_line(token: TokenLogprob) -> Text:
    """Return probability, bar, the token, and its alternatives, coloured from red (unlikely) to green (sure)."""
    probability = token.probability
    style = next(style for least, style in _STYLES if probability >= least)
    line = Text(f"{probability:7.2%} ", style=style, no_wrap=True)
    line.append("█" * round(probability * _BAR_CELLS), style=style)
    line.append("·" * (_BAR_CELLS - round(probability * _BAR_CELLS)), style="dim")
    line.append(f"  {_show(token):<18}", style=f"bold {style}")
    others = [other for other in token.alternatives if other.token_id != token.token_id]
    if others:
        shown = ", ".join(f"{_show(other)} {other.probability:.2%}" for other in others)
        line.append(f"  instead: {shown}", style="dim")
    return line


def _show(token: Alternative) -> str:
    """Return the token's text in quotes; its number if it has none, as those of images."""
    return formats.printable(repr(token.token.decode("utf-8", "replace"))) if token.token else f"#{token.token_id}"
