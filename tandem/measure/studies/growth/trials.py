"""What is measured: each kind of trial of a server as a scenario, and the raw figures of all rounds.

Draws no conclusions.
"""

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tandem.ar.v1 import ar_pb2
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.generator.run import RunResult
from tandem.measure.results.growth import Settings, Text
from tandem.measure.scenario import Scenario
from tandem.measure.studies.growth.texts import TEXTS, prompt
from tandem.measure.studies.growth.together import Stream, Together, together

_TEMPERATURES: dict[Text, float] = {"repeats itself": 0.0, "new": 1.0}
_LIMIT_SECONDS = 120.0

Case = tuple[Text, int]  # a text, and how many streams of it at a time
Rounds = list[Together]


@dataclass
class Findings:
    """`drafts`: of each round, what each server made of the same texts, in the order of the servers."""

    concurrency: dict[int, Rounds] = field(default_factory=lambda: defaultdict(list))
    context: dict[int, Rounds] = field(default_factory=lambda: defaultdict(list))
    drafts: dict[Case, list[list[Together]]] = field(default_factory=lambda: defaultdict(list))
    audited_runs: AuditedRuns = field(default_factory=AuditedRuns)


Trial = tuple[str, Callable[[str], Awaitable[None]]]
"""One thing that is measured once a round: its name, and what takes that and carries it out."""


@dataclass
class Trials:
    """Trials of the servers of `sources`, of which the first is to be measured; the others are compared with it."""

    sources: Sequence[Generator]
    settings: Settings
    findings: Findings
    # Not from the seed: a prefix cache may know the texts of an earlier measurement.
    _random: random.Random = field(default_factory=random.SystemRandom)
    _num_turns: int = 0

    def all(self) -> list[Trial]:
        """Return a trial for each point of each curve."""
        settings, found, alone = self.settings, self.findings, self._alone
        usual, few = (settings.prompt_tokens, settings.new_tokens), settings.context_new_tokens
        trials: list[Trial] = [
            (f"{number} streams", partial(alone, found.concurrency, number, self._streams(number, *usual)))
            for number in settings.concurrencies
        ]
        trials += [
            (f"{tokens} tokens of context", partial(alone, found.context, tokens, self._streams(1, tokens, few)))
            for tokens in settings.contexts
        ]
        trials += [
            (f"{TEXTS[text]}, {number} streams", partial(self._drafts, text, number))
            for text in TEXTS
            for number in settings.draft_concurrencies
            if len(self.sources) > 1
        ]
        return trials

    async def warm_up(self) -> None:
        """Ask each server once, not counted. Raises BrokenOff."""
        for source in self.sources:
            scenario = self._streams(1, self.settings.prompt_tokens, self.settings.new_tokens)
            self._checked(source, scenario, await self.findings.audited_runs.once(source, scenario))

    async def _alone(self, found: dict[int, Rounds], point: int, scenario: Scenario, name: str) -> None:
        found[point].append(await self._asked(self.sources[0], name, scenario))

    async def _drafts(self, text: Text, number: int, name: str) -> None:
        """Give all servers the same texts, one server after another; who begins changes from time to time."""
        texts = [prompt(text, place, self._random) for place in range(number)]
        requests = [self._drawn(each, _TEMPERATURES[text], seed) for seed, each in enumerate(texts)]
        scenario = self._streams(number, 1, self.settings.draft_new_tokens).model_copy(update={"keep_replies": True})
        places = list(range(len(self.sources)))
        self._num_turns += 1
        found: dict[int, Together] = {}
        for place in places if self._num_turns % 2 else places[::-1]:
            found[place] = await self._asked(self.sources[place], name, scenario, requests)
        self.findings.drafts[text, number].append([found[place] for place in places])

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

    def _drawn(self, text: str, temperature: float, seed: int) -> bytes:
        sampling = ar_pb2.SamplingParams(
            temperature=temperature, seed=seed, max_tokens=self.settings.draft_new_tokens, ignore_eos=True
        )
        return ar_pb2.GenerateRequest(model=self.settings.model, text=text, sampling=sampling).SerializeToString()

    async def _asked(
        self, source: Generator, name: str, scenario: Scenario, requests: Sequence[bytes] = ()
    ) -> Together:
        """Return what came of a scenario. Raises BrokenOff unless each stream has the tokens that were asked for."""
        given = [requests] if requests else ()
        run_result = await self.findings.audited_runs.run(source, name, scenario, requests=given)
        self._checked(source, scenario, run_result)
        found = together(run_result.record, scenario.workloads[0].rpc)
        return Together(_in_order_of_requests(found.streams, run_result, len(requests) or 1))

    def _checked(self, source: Generator, scenario: Scenario, run_result: RunResult) -> None:
        source.check_not_stopped()
        if run_result.document.problems:
            raise BrokenOff(f"{source.address}: {run_result.document.problems[0]}")
        (wanted,) = scenario.workloads[0].output_tokens.parameters
        for number in run_result.record.requests["num_outputs"].tolist():
            if number != wanted:
                raise BrokenOff(f"{source.address}: {number} tokens where {wanted} were asked for")


def _in_order_of_requests(streams: Sequence[Stream], run_result: RunResult, num_requests: int) -> list[Stream]:
    """Return the streams of given requests in the order of these, wherever the numbers of this run began."""
    numbers = run_result.record.requests["number"].tolist()
    places = sorted(range(len(numbers)), key=lambda place: int(numbers[place]) % num_requests)
    return [streams[place] for place in places]
