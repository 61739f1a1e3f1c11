"""The load runs of a study: loads that climb to fit on, steady ones to find the capacity. Knows no curve."""

from collections.abc import Awaitable, Callable, Mapping

from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.workers import OnProgress
from tandem.measure.lengths import Lengths
from tandem.measure.results.crossover import Settings
from tandem.measure.scenario import PARADIGMS, ClosedLoop, Kind, OpenLoop, Paradigm, Scenario, Workload

TEXT_LENGTHS = "choice:8:16:32"
TEXT_CONCURRENCIES = (1, 4)
_DRAIN_SECONDS = 20.0
LOWEST_RATE = 0.5
_FIRST_SHARE = 0.03
SCOUT_SECONDS = 3.0
# Of what comes out of a closed loop: arrivals at random are carried up to somewhat more or less than that.
CARRIED_SHARE = 0.6

Models = Mapping[Paradigm, str]
"""Names of the models that draw the images; empty: the only one there is."""
Conduct = Callable[[str, Scenario], Awaitable[RunResult]]


def workload(models: Models, paradigm: Paradigm, settings: Settings) -> Workload:
    """Return one image a request."""
    kind: Kind = "image" if paradigm == "sequential" else "images"
    return Workload(kind=kind, delivery=settings.delivery, model=models[paradigm], slo_seconds=settings.slo_seconds)


def text_workload(settings: Settings) -> Workload:
    """Return texts of several lengths."""
    lengths = Lengths.model_validate(TEXT_LENGTHS)
    return Workload(kind="text", delivery=settings.delivery, model=settings.text_model, output_tokens=lengths)


def climb(most_per_second: float) -> OpenLoop:
    """Return an open loop whose rate climbs from little to the most that comes out."""
    first, last = (max(LOWEST_RATE, most_per_second * share) for share in (_FIRST_SHARE, 1.0))
    return OpenLoop(rate_per_second=first, end_rate_per_second=last)


def one_load(
    one: Workload, load: ClosedLoop | OpenLoop, seconds: float, seed: int, warm_up_seconds: float = 1.0
) -> Scenario:
    """Return a run of one workload."""
    return Scenario(
        workloads=(one,),
        load=load,
        duration_seconds=seconds,
        warm_up_seconds=warm_up_seconds,
        drain_seconds=_DRAIN_SECONDS,
        seed=seed,
    )


def conductor(source: Generator, on_progress: OnProgress, keep: Callable[[str, RunResult], None]) -> Conduct:
    """Return what carries a scenario out and keeps its document; it raises BrokenOff for a partial run."""

    async def run(name: str, scenario: Scenario) -> RunResult:
        source.check_not_stopped()
        run_result = await source.run(scenario, on_progress=on_progress)
        keep(name, run_result)
        if run_result.document.is_partial:
            raise BrokenOff("; ".join(run_result.document.problems), run_result.document)
        return run_result

    return run


def in_turn(settings: Settings) -> list[tuple[int, Paradigm]]:
    """Return (round, paradigm) of the climbs: the paradigms in turn, every second round backwards, so that a noisy or
    drifting machine hurts both alike.
    """
    return [
        (number, paradigm)
        for number in range(settings.num_rounds)
        for paradigm in (PARADIGMS if number % 2 == 0 else PARADIGMS[::-1])
    ]
