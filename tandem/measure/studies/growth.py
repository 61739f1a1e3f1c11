"""The study of growth: streams at a time and tokens of context vary. What was not measured is told, not guessed."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.generator.requests.served import model_of, served_models, with_model
from tandem.measure.generator.run import RunResult
from tandem.measure.results.growth import Growth, Point, Settings
from tandem.measure.results.header import ServedModel
from tandem.measure.results.record import Record
from tandem.measure.results.value import Repeated
from tandem.measure.scenario import Scenario, Workload, closed_loop
from tandem.measure.statistics.intervals import over_rounds
from tandem.measure.statistics.knee import fit_cost
from tandem.measure.statistics.quantiles import nearest_rank
from tandem.measure.studies.study import Study, senders

Kind = Literal["streams", "context"]
Trial = tuple[Kind, int]
"""One point of a curve: a number of streams at a time, or of tokens in the context of a single stream."""
Figures = Mapping[str, float]
"""Figures of streams that were sent at once, as Point has them."""

_LIMIT_SECONDS = 120.0
_NAMES: dict[Kind, str] = {"streams": "streams", "context": "tokens of context"}
_LEFT_OUT: dict[Kind, str] = {
    "streams": "they never all ran at once, which is left out; the server's max_num_sequences may be lower, or more new"
    " tokens are needed",
    "context": "all tokens came in one message; these are left out",
}


async def measure_growth(address: str, settings: Settings, on_stage: Callable[[str], None]) -> Growth:
    """Measure a text model; Ctrl-C ends it early, with what there is until then.

    Raises TandemRpcError and ValueError if it can't even begin.
    """
    models = await served_models(address, ["sequential"])
    model = model_of(with_model(Workload(kind="text", delivery="streamed", model=settings.model), models), models)
    settings = settings.model_copy(update={"model": model.name})
    async with senders(address) as (source,):
        study = GrowthStudy(source=source, settings=settings, on_stage=on_stage)
        await study.measure(model.max_context_tokens or 0)
    return growth_document(address, model, study)


@dataclass(kw_only=True)
class GrowthStudy(Study):
    """`seen`: of each round of a trial, its figures."""

    source: Generator
    settings: Settings
    seen: dict[Trial, list[Figures]] = field(default_factory=lambda: defaultdict(list))

    async def measure(self, max_context_tokens: int) -> None:
        """Carry out all trials of all rounds, of those contexts that the model takes."""
        settings = self.settings
        most = max_context_tokens - settings.context_new_tokens
        trials: list[Trial] = [("streams", number) for number in settings.concurrencies]
        trials += [("context", tokens) for tokens in settings.contexts if tokens <= most]
        with self.until_broken_off():
            self.on_stage("warm-up")
            scenario = self._streams(1, settings.prompt_tokens, settings.new_tokens)
            self._checked("warm-up", scenario, await self.audited_runs.once(self.source, scenario))
            # A round that is broken off has measured some points once more.
            groups, order = [[trial] for trial in trials], np.random.default_rng(settings.seed)
            async for _ in self.rounds(groups, range(settings.num_rounds), order, self._try):
                pass

    async def _try(self, trial: Trial, number: int) -> None:
        settings, (kind, size), name = self.settings, trial, _name_of(trial)
        self.on_stage(f"round {number + 1} of {settings.num_rounds}: {name}")
        given = (size, settings.prompt_tokens, settings.new_tokens)
        scenario = self._streams(*given if kind == "streams" else (1, size, settings.context_new_tokens))
        run_result = self._checked(name, scenario, await self.audited_runs.run(self.source, name, scenario))
        self.seen[trial].append(figures_of(run_result.record))

    def _streams(self, number: int, prompt_tokens: int, new_tokens: int) -> Scenario:
        """Return a scenario of `number` streams at once, whose prompts are in no prefix cache.

        What a step costs does not depend on which tokens it computes.
        """
        workload = {"kind": "text", "delivery": "streamed", "model": self.settings.model, "temperature": 0.0}
        lengths = {"prompt_tokens": prompt_tokens, "output_tokens": new_tokens, "deadline_seconds": _LIMIT_SECONDS}
        limits = {"num_requests": number, "drain_seconds": _LIMIT_SECONDS, "connections_per_process": 1}
        return closed_loop(Workload.model_validate(workload | lengths), number, seed=self.settings.seed, **limits)

    def _checked(self, name: str, scenario: Scenario, run_result: RunResult) -> RunResult:
        """Return a run. Raises BrokenOff unless each stream has the tokens that were asked for."""
        self.source.check_not_stopped()
        for problem in run_result.document.problems:
            raise BrokenOff(f"{name}: {self.source.address}: {problem}")
        (wanted,) = scenario.workloads[0].output_tokens.parameters
        for number in run_result.record.requests["num_outputs"].tolist():
            if number != wanted:
                raise BrokenOff(f"{name}: {number} tokens where {wanted} were asked for")
        return run_result


def figures_of(record: Record) -> dict[str, float]:
    """Return the figures of streams, each of at least one message; those of the part in which all were generating are
    left out if there was none, as where the server did not run all of them at a time.
    """
    messages = record.messages
    sent, at, counts = record.requests["sent"], messages["at"], messages["num_outputs"]
    ends = np.diff(messages["number"]) != 0
    is_first, is_last = np.append(True, ends), np.append(ends, True)
    begin, end = at[is_first].max(), at[is_last].min()
    found = {
        "whole_tokens_per_second": float(counts.sum() / (at.max() - sent.min())),
        "first_token_p50_seconds": nearest_rank(at[is_first] - sent, 0.5),
    }
    if end > begin:
        rate = float(counts[(at > begin) & (at <= end)].sum() / (end - begin))
        found |= {"decode_tokens_per_second": rate, "step_seconds": len(sent) / rate}
    gaps = np.diff(at)[~is_first[1:] & (at[:-1] >= begin) & (at[1:] <= end)]
    return found | ({"gap_p50_seconds": nearest_rank(gaps, 0.5)} if len(gaps) else {})


def _name_of(trial: Trial) -> str:
    """Return what people call it."""
    return f"{trial[1]} {_NAMES[trial[0]]}"


def _points(kind: Kind, seen: Mapping[Trial, Sequence[Figures]], problems: list[str]) -> Iterator[Point]:
    """Yield the points of a curve. Rounds without a part in which all were generating are left out; `problems` gets how
    many those are.
    """
    for trial in sorted(trial for trial in seen if trial[0] == kind):
        rounds, size = seen[trial], trial[1]
        whole = [found for found in rounds if {"decode_tokens_per_second", "gap_p50_seconds"} <= found.keys()]
        if missed := len(rounds) - len(whole):
            problems.append(f"{_name_of(trial)}: {missed} of {len(rounds)} times {_LEFT_OUT[kind]}")
        if kind == "context":
            whole = [{**found, "prefill_tokens_per_second": size / found["first_token_p50_seconds"]} for found in whole]
        if whole:
            values = {name: tuple(found[name] for found in whole) for name in whole[0]}
            figures = {name: Repeated(**vars(over_rounds(each)), of_rounds=each) for name, each in values.items()}
            yield Point(at=size, figures=figures)


def growth_document(address: str, model: ServedModel, study: GrowthStudy) -> Growth:
    """Return the document."""
    problems = list[str]()
    streams, contexts = (tuple(_points(kind, study.seen, problems)) for kind in _NAMES)
    # A round that was broken off has measured some points less often.
    rounds = list(zip(*(point.figures["step_seconds"].of_rounds for point in streams), strict=False))
    gaps, firsts = (
        [[point.figures[name].value for point in contexts]] for name in ("gap_p50_seconds", "first_token_p50_seconds")
    )
    # In the middle of the new tokens.
    middles = [point.at + study.settings.context_new_tokens / 2 for point in contexts]
    return Growth(
        **study.header(address, [model], problems),
        settings=study.settings,
        streams=streams,
        contexts=contexts,
        step_fit=fit_cost([point.at for point in streams], rounds),
        gap_fit=fit_cost(middles, gaps, ["sum"]),
        first_token_fit=fit_cost([point.at for point in contexts], firsts, ["sum"]),
    )
