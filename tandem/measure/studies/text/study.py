"""The study of one text model in several modes: a token a step, more of them, and as the server drafts and checks. All
take turns at each number of callers; some of these numbers make a prediction, which the others check.
"""

import asyncio
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from time import monotonic
from typing import Any

import grpc
import numpy as np

from tandem.ar.v1 import ar_pb2
from tandem.measure.formats import quantity
from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.generator.requests.served import served_models
from tandem.measure.meters.cpu import Addresses, CpuMeter, CpuReading, cpu_meter
from tandem.measure.meters.metrics_page import read
from tandem.measure.prompts import PROMPTS
from tandem.measure.results.header import ServedModel
from tandem.measure.results.record import Outcome
from tandem.measure.results.text import Settings
from tandem.measure.results.value import Value
from tandem.measure.scenario import Scenario, Workload, closed_loop
from tandem.measure.statistics.curve import Floats
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.trials import Trial, trial_of
from tandem.measure.studies.study import Study, check_whole, senders
from tandem.measure.studies.text.bits import bits_of, find_prompts_that_fit
from tandem.measure.studies.text.prediction import Need, need_of
from tandem.shared.errors import ExpectedError

_LIMIT_SECONDS, _LEAST_SECONDS = 120.0, 1e-3
_WARM_UP_CALLERS = 4
_ASKED = "Go on with this text, at length: "  # so that an answer would be longer than what is asked for
_COUNTED = ("tandem_batch_size_sum", "tandem_computed_tokens_total")  # steps of sequences, and their rows


@dataclass(frozen=True)
class AskedMode(Mode):
    """A mode of a text model. `tokens_per_step` None: as the server drafts and checks."""

    tokens_per_step: int | None = None

    @property
    def name(self) -> str:
        return "checked" if self.tokens_per_step is None else f"K = {self.tokens_per_step}"

    def requests(self, prompts: Sequence[ar_pb2.ChatPrompt], settings: Settings) -> list[bytes]:
        """Return a request for each prompt, with the same seeds in every mode."""
        number, found = self.tokens_per_step, []
        sampling = ar_pb2.SamplingParams(
            temperature=0.0,
            max_tokens=settings.new_tokens,
            ignore_eos=True,
            speculative_tokens=None if number is None else 0,
            tokens_per_step=number,
        )
        for sampling.seed, chat in enumerate(prompts, settings.seed):
            request = ar_pb2.GenerateRequest(model=self.model.name, sampling=sampling, chat=chat)
            found.append(request.SerializeToString())
        return found


async def measure_text(
    address: str, settings: Settings, metrics: Addresses, held: Sequence[str], on_stage: Callable[[str], None]
) -> "ModesStudy":
    """Measure the text model that `settings` name, or else one that takes steps, or the first; Ctrl-C ends it early,
    with what there is until then. `metrics`: see tandem.measure.meters.cpu. `held`: texts to tell the bits of; empty: a
    few of our own.

    Raises TandemRpcError and ExpectedError if it can't even begin.
    """
    model = _chosen(await served_models(address, ["sequential"]), settings.model)
    numbers = sorted({1, *settings.tokens_per_step}) if model.takes_steps else [1]
    length = min(settings.new_tokens, model.window_tokens or settings.new_tokens)
    changes = {"model": model.name, "tokens_per_step": tuple(numbers), "new_tokens": length}
    settings = settings.model_copy(update=changes)
    meter = await cpu_meter(address, metrics)
    room = (model.max_context_tokens or sys.maxsize) - length
    prompts = await find_prompts_that_fit(address, model.name, list(map(_question, PROMPTS)), room)
    if not prompts:
        raise ExpectedError(f"model: {model.name} has no room for {length} tokens after any prompt of this study")
    async with senders(address) as (source,):
        study = ModesStudy(
            source=source, model=model, prompts=prompts, meter=meter, settings=settings, on_stage=on_stage
        )
        await study.measure()
    if not study.stop_reason:
        on_stage("bits of held text")
        window = settings.context_tokens + (model.window_tokens or model.max_context_tokens or 0)
        most = min(model.max_context_tokens or window, window)
        try:
            study.bits = await bits_of(address, model.name, numbers, held, settings.context_tokens, most)
        except grpc.aio.AioRpcError as error:
            study.problems.append(f"bits: {error.code().name}: {error.details()}")
    return study


def _question(text: str) -> ar_pb2.ChatPrompt:
    prompt = ar_pb2.ChatPrompt(plain_without_template=True)
    prompt.messages.add(role="user", content=_ASKED + text)
    return prompt


def _chosen(models: Sequence[ServedModel], name: str) -> ServedModel:
    texts = sorted((model for model in models if model.modality == "text"), key=lambda model: not model.takes_steps)
    chosen = next((model for model in texts if name in ("", model.name)), None)
    if chosen is None:
        there = ", ".join(model.name for model in texts) or "none"
        raise ExpectedError(f"model: {name or 'a text model'} is not served; text models there: {there}")
    return chosen


@dataclass(frozen=True)
class TextTrial(Trial):
    """`num_tokens` came within `window_seconds`, while nobody stopped asking. `counted`: steps of sequences and their
    rows, in all of the trial; None where that was not measured.
    """

    num_tokens: float
    window_seconds: float
    counted: Floats | None

    @property
    def server_cpu_seconds(self) -> float | None:
        gateway, backend = self.gateway_cpu_seconds, self.backend_cpu_seconds
        return None if gateway is None or backend is None else gateway + backend

    @property
    def need(self) -> Need | None:
        """What a text of it needed; None where that is not known."""
        rows = self.record.requests
        good = rows[(rows["outcome"] == Outcome.OK) & (rows["batch_size"] > 0.0)]
        if self.counted is None or not len(good) or np.min(self.counted) <= 0.0:
            return None
        return need_of(self.concurrency, good, *self.counted.tolist())


@dataclass(kw_only=True)
class ModesStudy(Study):
    """`trials` in the order of their rounds, which are numbered from 0. `bits`: a token's and a byte's, by tokens a
    step, and of how many tokens.
    """

    source: Generator
    model: ServedModel
    prompts: Sequence[ar_pb2.ChatPrompt]
    meter: CpuMeter
    settings: Settings
    trials: list[tuple[int, TextTrial]] = field(default_factory=list)
    seconds: float = 0.0
    bits: tuple[Mapping[int, tuple[Value, Value]], int] = ({}, 0)

    @property
    def modes(self) -> list[AskedMode]:
        """A token a step first, checked last."""
        values = {"model": self.model.name, "output_tokens": self.settings.new_tokens}
        values |= {"kind": "text", "delivery": "streamed", "deadline_seconds": _LIMIT_SECONDS}
        workload = Workload.model_validate(values)
        return [AskedMode(workload, self.model, "", number) for number in (*self.settings.tokens_per_step, None)]

    async def measure(self) -> None:
        """Try all modes at each number of callers, in every round."""
        settings, since = self.settings, monotonic()
        random = np.random.default_rng(settings.seed)
        loads = [[(callers, mode) for mode in self.modes] for callers in sorted(settings.concurrencies)]

        def has_time(done: int) -> bool:
            return not done or (monotonic() - since) * (done + 1) / done <= settings.most_seconds

        numbers = takewhile(has_time, range(settings.num_rounds))
        with self.until_broken_off():
            self.on_stage("warm-up")
            for mode in self.modes:  # from then on the prefix cache knows all prompts
                await self._ask(mode, _WARM_UP_CALLERS, len(self.prompts) if mode.tokens_per_step == 1 else 1)
            async for number, trials in self.rounds(loads, numbers, random, self._try):
                self.trials += [(number, trial) for trial in trials.values()]
        self.seconds = monotonic() - since

    async def _ask(self, mode: AskedMode, callers: int, num_requests: int) -> float:
        """Have so many callers ask so often in all, which nobody counts; return how long it took."""
        scenario = self._scenario(mode, callers, num_requests=num_requests)
        run_result = await self.audited_runs.once(
            self.source, scenario, requests=[mode.requests(self.prompts, self.settings)]
        )
        return check_whole(self.source, run_result).document.window.seconds

    async def _try(self, load: tuple[int, AskedMode], number: int) -> TextTrial:
        """Try one load for about a whole number of texts of each caller, so that no part of a text counts for more."""
        (callers, mode), settings = load, self.settings
        self.on_stage(f"round {number + 1} of {settings.num_rounds}: {mode.name}, {quantity(callers, 'caller')}")
        text_seconds = max(_LEAST_SECONDS, await self._ask(mode, callers, callers))
        seconds = text_seconds * math.ceil(settings.trial_seconds / text_seconds)
        scenario, name = self._scenario(mode, callers, duration_seconds=seconds), f"{mode.name}, {callers} at a time"
        options: dict[str, Any] = {"requests": [mode.requests(self.prompts, settings)], "meter": self._read}
        run_result = await self.run(self.source, name, scenario, **options)
        self.problems += [f"{name}: {problem}" for problem in run_result.document.problems]
        cpu, counts = zip(*run_result.readings, strict=True)
        trial, document = trial_of(mode, callers, replace(run_result, readings=cpu)), run_result.document
        if trial.failure:
            raise BrokenOff(trial.failure)
        num_tokens = document.streams[0].rates.outputs * document.window.seconds
        counted = None if counts[0] is None else counts[1] - counts[0]
        return TextTrial(**vars(trial), num_tokens=num_tokens, window_seconds=document.window.seconds, counted=counted)

    def _scenario(self, mode: AskedMode, callers: int, **values: Any) -> Scenario:
        """Return requests of so many callers; each mode has numbers of its own, that begin with the same prompt."""
        seed = self.settings.seed + 1000 * self.modes.index(mode)
        return closed_loop(mode.workload, callers, seed=seed, drain_seconds=_LIMIT_SECONDS, **values)

    async def _read(self) -> tuple[CpuReading, Floats | None]:
        """Return CPU seconds, and steps of sequences and rows of all replicas so far; None where nobody knows."""
        cpu, addresses = await self.meter.read("sequential"), self.meter.pages_of("sequential")
        pages = await asyncio.gather(*(asyncio.to_thread(read, address) for address in addresses))
        counts = [[page.total(name, model=self.model.name) for name in _COUNTED] for page in pages]
        return cpu, np.sum(counts, axis=0) if counts else None
