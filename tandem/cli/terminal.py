"""Where commands print: results to standard output, everything about them to standard error.

On a terminal with colours, bars and images; anywhere else plain text without a control character.
"""

import sys
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.live import Live
from rich.progress import Progress, ProgressColumn
from rich.text import Text

from tandem.measure.formats import printable


class Terminal:
    """The two streams of one command."""

    def __init__(self) -> None:
        # Without `emoji` a file or a text that contains ":x:" is shown as it is.
        self.out = Console(highlight=False, emoji=False)
        self.err = Console(stderr=True, highlight=False, emoji=False)
        self._is_within_line = False

    @property
    def is_interactive(self) -> bool:
        """Whether a person is looking at standard output."""
        return self.out.is_terminal

    def write(self, text: str) -> None:
        """Write generated text at once; to a terminal without the control characters it may contain."""
        sys.stdout.write(printable(text) if self.is_interactive else text)
        sys.stdout.flush()
        self._is_within_line = not text.endswith("\n") if text else self._is_within_line

    def say(self, text: str) -> None:
        """Print a sentence of the result: wrapped between words on a terminal, one line anywhere else."""
        self.out.print(text, markup=False, soft_wrap=not self.out.is_terminal)

    def note(self, text: str) -> None:
        """Print a sentence about the result, wrapped likewise."""
        self.err.print(text, style="dim", markup=False, soft_wrap=not self.err.is_terminal)

    def progress(self, *columns: ProgressColumn, auto_refresh: bool = True) -> Progress:
        """Return a display of progress, rich's usual one without `columns`: on standard error, gone at its end, and
        nothing at all unless that is a terminal.
        """
        is_hidden = not self.err.is_terminal
        return Progress(*columns, console=self.err, auto_refresh=auto_refresh, transient=True, disable=is_hidden)

    def redrawn(self) -> Live:
        """Return what is redrawn in place when it is told to, gone at its end; nothing unless a person is looking."""
        return Live(console=self.out, auto_refresh=False, transient=True, vertical_overflow="crop")

    def working(self, what: str) -> AbstractContextManager[object]:
        """Show on a terminal, while the block runs, what goes on in it."""
        return self.err.status(what) if self.err.is_terminal else nullcontext()

    def fail(self, text: str) -> None:
        """Print an error, wrapped likewise, on a line of its own."""
        if self._is_within_line:
            self.write("\n")
        self.err.print(Text.assemble(("error:", "bold red"), " ", text), soft_wrap=not self.err.is_terminal)
