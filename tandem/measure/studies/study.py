"""What all studies have in common: one thing varies, and whatever is compared takes turns at each of its values;
figures that can be made of any choice of rounds, and two of them held against each other.

Every run is audited, and repeated if the generator was not good enough. A study ends early on Ctrl-C and when a server
is gone; what was measured by then is kept.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import BrokenOff, Generator, generator, stopped_by_hand
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.workers import ignore
from tandem.measure.meters.header import header_of
from tandem.measure.results.header import ServedModel
from tandem.measure.results.value import Repeated, Value
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload
from tandem.measure.statistics.interleaving import turns
from tandem.measure.statistics.intervals import Rows, estimate
from tandem.measure.statistics.quantiles import can_show, nearest_rank

DRAIN_SECONDS = 20.0
LOWEST_RATE = 0.5
# Of what comes out of a closed loop: arrivals at random are carried up to somewhat more or less than that.
CARRIED_SHARE = 0.6
SCOUT_SECONDS = 3.0  # of a closed loop that looks for the most that comes out

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")


@dataclass(kw_only=True)
class Study:
    """`on_stage` is told between two runs what comes next. `stop_reason`: why it ended early; empty: it did not."""

    on_stage: Callable[[str], None] = ignore
    audited_runs: AuditedRuns = field(default_factory=AuditedRuns)
    problems: list[str] = field(default_factory=list)
    stop_reason: str = ""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def run(self, source: Generator, name: str, scenario: Scenario, **options: Any) -> RunResult:
        """Return an audited run; `options` as `AuditedRuns.run` takes them. Raises BrokenOff."""
        return check_whole(source, await self.audited_runs.run(source, name, scenario, **options))

    async def rounds(
        self,
        groups: Sequence[Sequence[T]],
        numbers: Iterable[int],
        random: np.random.Generator,
        measure: Callable[[T, int], Awaitable[R]],
    ) -> AsyncIterator[tuple[int, dict[T, R]]]:
        """Measure the things of each group in turn in every round, groups and things in an order that changes; yield
        the round's number and what came of a group once it is whole, so that all of its things have the same rounds.
        """
        orders = [turns(group, random) for group in groups]
        for number in numbers:
            for place in random.permutation(len(groups)).tolist():
                yield number, {thing: await measure(thing, number) for thing in next(orders[place])}

    @contextmanager
    def until_broken_off(self) -> Iterator[None]:
        """Keep as `stop_reason` why what is done here ended early."""
        try:
            yield
        except BrokenOff as error:
            self.stop_reason = str(error)
        except OSError as error:  # a process to be metered is gone, or one of the generator
            gone = "" if isinstance(error, ChildProcessError) else "a metrics page is gone: "
            self.stop_reason = f"{gone}{getattr(error, 'reason', error)}"

    def header(self, address: str, models: Sequence[ServedModel], problems: Sequence[str] = ()) -> dict[str, Any]:
        """Return the fields of the document's header; `problems`: further ones."""
        everything = [*filter(None, [self.stop_reason]), *self.problems, *problems]
        audits, is_partial = self.audited_runs.summary(), bool(self.stop_reason)
        return header_of(address, models, self.started_at, audits, everything, is_partial)


@asynccontextmanager
async def senders(*addresses: str) -> AsyncIterator[list[Generator]]:
    """Yield a load generator for each address. The first Ctrl-C stops them all; a second one leaves at once."""
    with stopped_by_hand() as stop:
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(generator(address, stop)) for address in addresses]


def check_whole(source: Generator, run_result: RunResult) -> RunResult:
    """Return a run that went to its end. Raises BrokenOff for others, and if somebody stops the study."""
    source.check_not_stopped()
    if run_result.document.is_partial:
        raise BrokenOff("; ".join(run_result.document.problems))
    return run_result


def one_load(
    workload: Workload, load: ClosedLoop | OpenLoop, seconds: float, seed: int, warm_up_seconds: float = 1.0
) -> Scenario:
    """Return a run of one workload for so many seconds."""
    return Scenario(
        workloads=(workload,),
        load=load,
        duration_seconds=seconds,
        warm_up_seconds=warm_up_seconds,
        drain_seconds=DRAIN_SECONDS,
        seed=seed,
    )


Values = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure of a choice of rounds, and its values in single ones, where every round can tell."""

    of: Callable[[Rows], float]
    count: int  # of rounds
    spread: tuple[float, ...]

    @property
    def total(self) -> float:
        """That of all rounds together."""
        return self.of(np.arange(self.count))

    def repeated(self, confidence: float) -> Repeated:
        """Return that of all rounds, with its interval if there are enough, or else the range of single ones."""
        found = estimate(self.of, self.count, confidence, self.spread)
        return Repeated(**vars(found), of_rounds=self.spread)

    def minus(self, other: "Figure", confidence: float) -> Value:
        """Return the difference to another figure of the same rounds."""
        return self._against(other, np.subtract, confidence)

    def over(self, other: "Figure", confidence: float) -> Value | None:
        """Return the ratio to another figure of the same rounds; None if that cannot be said, as of one that is 0."""
        singles = self._singles(other)
        below = other.total if singles is None else singles[:, 1]
        return self._against(other, _quotient, confidence) if np.all(below > 0) else None

    def _against(self, other: "Figure", combine: Callable[[Any, Any], Any], confidence: float) -> Value:
        """Return both figures combined, with an interval.

        Where each round can tell, it is held against itself, and the median is taken: what disturbed it disturbed both.
        The figures of all rounds together can have a quotient that hardly any round had, as where the machine was busy
        during some of them.
        """
        singles = self._singles(other)
        if singles is None:
            return estimate(lambda rows: float(combine(self.of(rows), other.of(rows))), self.count, confidence)
        rounds = combine(singles[:, 0], singles[:, 1])
        return estimate(lambda rows: float(np.median(rounds[rows])), self.count, confidence, rounds.tolist())

    def _singles(self, other: "Figure") -> Values | None:
        """Return both figures of each round; None unless every round can tell."""
        singles = np.array(list(zip(self.spread, other.spread, strict=False)))
        return singles if len(singles) == self.count else None


def _quotient(first: Any, second: Any) -> Any:
    return first / second if np.all(second) else np.nan


def pooled_quantile(rounds: Sequence[Values], q: float) -> Figure | None:
    """Return a quantile of all values of the rounds; None if there are too few to show it."""
    if not can_show(q, sum(map(len, rounds))):
        return None
    is_known = all(can_show(q, len(values)) for values in rounds)
    return Figure(
        lambda rows: nearest_rank(np.concatenate([rounds[row] for row in rows.tolist()]), q),
        len(rounds),
        tuple(nearest_rank(values, q) for values in rounds) if is_known else (),
    )


def ratio_of_sums(over: Sequence[float], under: Sequence[float]) -> Figure:
    """Return how many `over` there are for each of `under`, such as images for each second."""
    first, second = np.array(over, np.float64), np.array(under, np.float64)
    singles = tuple((first / second).tolist())
    return Figure(lambda rows: float(first[rows].sum() / second[rows].sum()), len(first), singles)
