"""Images in the terminal that grow while their tokens are drawn. Shows nothing where there is no terminal."""

from typing import Self

from rich.console import Console, Group
from rich.live import Live

from tandem.cli.use.terminal_images import image_lines
from tandem.client import ImageBatch
from tandem.client.images import join


class GrowingImage:
    """Use as a context: redrawn in place with each `show`, gone at its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._images: dict[int, ImageBatch] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, choice_index: int, image: ImageBatch) -> None:
        """Take the newest image of a choice; redraw all of them."""
        self._images[choice_index] = image
        if self._console.is_terminal:
            self._live.update(Group(*image_lines(self._console, self.all().to_grid())), refresh=True)

    def all(self) -> ImageBatch:
        """Return the newest image of each choice, at least one."""
        return join([self._images[index] for index in sorted(self._images)])
