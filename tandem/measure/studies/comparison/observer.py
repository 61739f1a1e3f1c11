"""Who is told how far a comparison is. Told between two measurements."""

from typing import Self

from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.rounds import Round


class Observer:
    """Looks at nothing; subclasses show it. Used as a context for as long as there is something to show."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def round_done(self, done: Round) -> None:
        """One more round of all modes alone is over."""

    def trial_begins(self, number: int, concurrency: int, mode: Mode) -> None:
        """A trial of round `number` begins."""

    def judging(self, what: str) -> None:
        """The quality of these images is about to be measured."""
