"""The study of growth: streams at a time and tokens of context vary; and servers with drafts are given the same texts
as the one that is measured.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem.ar.v1 import ar_pb2
from tandem.client.errors import TandemRpcError
from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.generator.requests.served import model_of, served_models, with_model
from tandem.measure.generator.run import RunResult
from tandem.measure.results.growth import TEXTS, Growth, Server, Settings, Text
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Scenario, Workload
from tandem.measure.statistics.knee import fit_cost
from tandem.measure.studies.growth.streams import Together, Trial, name_of, points_of, prompt, together
from tandem.measure.studies.study import Study, senders
from tandem.shared.errors import ExpectedError

_TEMPERATURES: dict[Text, float] = {"repeats itself": 0.0, "new": 1.0}
_LIMIT_SECONDS = 120.0


async def measure_growth(servers: Sequence[Server], settings: Settings, on_stage: Callable[[str], None]) -> Growth:
    """Measure the first server, and compare the others with it; Ctrl-C ends it early, with what there is until then.

    Raises TandemRpcError and ValueError if it can't even begin.
    """
    model = await _model(servers, settings.model)
    settings = settings.model_copy(update={"model": model.name})
    async with senders(*(server.address for server in servers)) as sources:
        study = GrowthStudy(sources=sources, settings=settings, on_stage=on_stage)
        await study.measure(model.max_context_tokens or 0)
    return growth_document(servers, model, study)


async def _model(servers: Sequence[Server], name: str) -> ServedModel:
    """Return the model to measure, which all servers hold alike. Raises ValueError."""
    first: ServedModel | None = None
    for server in servers:
        try:
            models = await served_models(server.address, ["sequential"])
        except TandemRpcError as error:
            if first is None:
                raise
            raise ExpectedError(f"also: {server.address}={server.label}: {error.message or error.code}") from None
        wanted = first.name if first else name
        model = model_of(with_model(Workload(kind="text", delivery="streamed", model=wanted), models), models)
        first = first or model
        if (model.dtype, model.device) != (first.dtype, first.device):
            raise ExpectedError(
                f"also: {server.address} holds {model.name} as {model.dtype} on {model.device}, {servers[0].address} as"
                f" {first.dtype} on {first.device}; to be compared they must be alike"
            )
    assert first is not None
    return first


@dataclass(kw_only=True)
class GrowthStudy(Study):
    """Of the servers of `sources` the first is measured; the others are compared with it. `seen`: of each round
    of a trial, what each server made of it, in the order of the servers.
    """

    sources: Sequence[Generator]
    settings: Settings
    seen: dict[Trial, list[list[Together]]] = field(default_factory=lambda: defaultdict(list))
    # Not from the seed: a prefix cache may know the texts of an earlier measurement.
    _random: random.Random = field(default_factory=random.SystemRandom)

    async def measure(self, max_context_tokens: int) -> None:
        """Carry out all trials of all rounds, of those contexts that the model takes."""
        settings = self.settings
        most = max_context_tokens - settings.context_new_tokens
        trials: list[Trial] = [("streams", number) for number in settings.concurrencies]
        trials += [("context", tokens) for tokens in settings.contexts if tokens <= most]
        if len(self.sources) > 1:
            trials += [(text, number) for text in TEXTS for number in settings.draft_concurrencies]
        rounds = range(settings.num_rounds)
        with self.until_broken_off():
            self.on_stage("warm-up")
            for source in self.sources:
                scenario = self._streams(1, settings.prompt_tokens, settings.new_tokens)
                self._check(source, "warm-up", scenario, await self.audited_runs.once(source, scenario))
            # A round that is broken off has measured some points once more.
            groups = [[trial] for trial in trials]
            async for _ in self.rounds(groups, rounds, np.random.default_rng(settings.seed), self._try):
                pass

    async def _try(self, trial: Trial, number: int) -> None:
        settings, (kind, size), name = self.settings, trial, name_of(trial)
        self.on_stage(f"round {number + 1} of {settings.num_rounds}: {name}")
        if kind == "streams" or kind == "context":
            given = (size, settings.prompt_tokens, settings.new_tokens)
            scenario = self._streams(*given if kind == "streams" else (1, size, settings.context_new_tokens))
            self.seen[trial].append([await self._ask(self.sources[0], name, scenario)])
            return
        # All servers are given the same texts, one server after another; who begins changes from round to round.
        texts = [prompt(kind, place, self._random) for place in range(size)]
        requests = [self._request(words, _TEMPERATURES[kind], seed) for seed, words in enumerate(texts)]
        scenario = self._streams(size, 1, settings.draft_new_tokens).model_copy(update={"keep_replies": True})
        order = 1 if number % 2 == 0 else -1
        answers = [await self._ask(source, name, scenario, requests) for source in self.sources[::order]]
        self.seen[trial].append(answers[::order])

    def _streams(self, number: int, prompt_tokens: int, new_tokens: int) -> Scenario:
        """Return so many streams at once, of prompts that no prefix cache knows.

        What a step costs does not depend on which tokens it computes.
        """
        workload = {"kind": "text", "delivery": "streamed", "model": self.settings.model, "temperature": 0.0}
        lengths = {"prompt_tokens": prompt_tokens, "output_tokens": new_tokens, "deadline_seconds": _LIMIT_SECONDS}
        return Scenario.model_validate(
            {
                "workloads": [workload | lengths],
                "load": {"loop": "closed", "concurrency": number},
                "num_requests": number,
                "warm_up_seconds": 0.0,
                "drain_seconds": _LIMIT_SECONDS,
                "connections_per_process": 1,
                "seed": self.settings.seed,
            }
        )

    def _request(self, text: str, temperature: float, seed: int) -> bytes:
        sampling = ar_pb2.SamplingParams(
            temperature=temperature, seed=seed, max_tokens=self.settings.draft_new_tokens, ignore_eos=True
        )
        return ar_pb2.GenerateRequest(model=self.settings.model, text=text, sampling=sampling).SerializeToString()

    async def _ask(self, source: Generator, name: str, scenario: Scenario, requests: Sequence[bytes] = ()) -> Together:
        """Return what came of a scenario. Raises BrokenOff."""
        given = [requests] if requests else ()
        run_result = await self.audited_runs.run(source, name, scenario, requests=given)
        self._check(source, name, scenario, run_result)
        return together(run_result.record, scenario.workloads[0].rpc, len(requests))

    def _check(self, source: Generator, name: str, scenario: Scenario, run_result: RunResult) -> None:
        """Raise BrokenOff unless each stream has the tokens that were asked for."""
        source.check_not_stopped()
        for problem in run_result.document.problems:
            raise BrokenOff(f"{name}: {source.address}: {problem}")
        (wanted,) = scenario.workloads[0].output_tokens.parameters
        for number in run_result.record.requests["num_outputs"].tolist():
            if number != wanted:
                raise BrokenOff(f"{name}: {source.address}: {number} tokens where {wanted} were asked for")


def growth_document(servers: Sequence[Server], model: ServedModel, study: GrowthStudy) -> Growth:
    """Return the document."""
    problems = list[str]()
    points = tuple(points_of(study.seen, servers, problems))
    streams, contexts = ([point for point in points if point.kind == kind] for kind in ("streams", "context"))
    # A round that was broken off has measured some points less often.
    rounds = list(zip(*(point.figures["step_seconds"].of_rounds for point in streams), strict=False))
    gaps, firsts = (
        [[point.figures[name].value for point in contexts]] for name in ("gap_p50_seconds", "first_token_p50_seconds")
    )
    # In the middle of the new tokens.
    middles = [point.at + study.settings.context_new_tokens / 2 for point in contexts]
    return Growth(
        **study.header(servers[0].address, [model], problems),
        settings=study.settings,
        points=points,
        step_fit=fit_cost([point.at for point in streams], rounds),
        gap_fit=fit_cost(middles, gaps, ["sum"]),
        first_token_fit=fit_cost([point.at for point in contexts], firsts, ["sum"]),
    )
