"""Whether images are nearer to real ones than others: tests of the difference, tenth by tenth of the same classes."""

from dataclasses import dataclass
from functools import cached_property

from tandem.measure.formats import count, ends, two_digits
from tandem.measure.results.comparison import JudgedImages
from tandem.measure.results.quality import Distance
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import chance_of, of_tenths

VIEWS = {"judge": "FID (judge)", "pixels": "pixels", "gradients": "gradients"}


@dataclass(frozen=True)
class Verdict:
    """Of one distance beside another. `difference`: the first minus the second, below 0 where the first is nearer; None
    without tenths.
    """

    first: Distance
    second: Distance

    @cached_property
    def tenths(self) -> list[float]:
        return [one - other for one, other in zip(self.first.tenths, self.second.tenths, strict=False)]

    @cached_property
    def difference(self) -> Value | None:
        return of_tenths(self.tenths, self.first.count) if self.tenths else None

    @property
    def is_better(self) -> bool:
        """Whether the first is surely nearer, at 95 %."""
        return self.difference is not None and self.difference.high is not None and self.difference.high < 0.0

    @property
    def is_worse(self) -> bool:
        return Verdict(self.second, self.first).is_better

    @property
    def word(self) -> str:
        if self.is_better or self.is_worse:
            return "better" if self.is_better else "worse"
        return f"no difference that {count(self.first.count)} images can show"

    @property
    def figures(self) -> str:
        """The difference, its interval, and how often chance alone makes so large a one; empty without."""
        if self.difference is None:
            return ""
        chance = chance_of(self.tenths)
        sign = "+" if self.difference.value > 0 else ""
        told = f"{sign}{two_digits(self.difference.value)}, {ends(self.difference, two_digits, ' to ')}"
        return f"{told}, p {'< 0.001' if chance < 0.001 else f'= {chance:.2g}'}"


def verdicts(first: JudgedImages | None, second: JudgedImages | None) -> dict[str, Verdict]:
    """Return the verdict on the first images beside the second by each view; none if one was not judged."""
    if first is None or second is None:
        return {}
    own, others = first.views.model, second.views.model
    return {view: Verdict(getattr(own, view), getattr(others, view)) for view in VIEWS}
