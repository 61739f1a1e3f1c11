"""Who is told how far a comparison is. Told between two measurements."""

from typing import Self

from tandem.measure.generator.requests.replies import Pixels
from tandem.measure.studies.comparison.modes import Mode


class Observer:
    """Looks at nothing; subclasses show it. Used as a context for as long as there is something to show."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def trial_begins(self, number: int, concurrency: int, mode: Mode) -> None:
        """A trial of round `number` begins."""

    def trial_done(self, mode: Mode, image: Pixels | None) -> None:
        """A trial is over; `image` [H, W, C] is one that it brought, None if it brought none that is kept."""

    def judging(self, what: str) -> None:
        """The quality of these images is about to be measured."""
