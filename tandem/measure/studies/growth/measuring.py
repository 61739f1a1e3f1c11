"""A measurement from beginning to end: which model, trials in turn for so many rounds, the document of it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import numpy as np

from tandem.client.errors import TandemRpcError
from tandem.measure.generator.generator import BROKEN_OFF, BrokenOff, generator
from tandem.measure.generator.requests.served import model_of, served_models, with_model
from tandem.measure.meters.header import header_of
from tandem.measure.results.growth import Growth, Server, Settings
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Workload
from tandem.measure.statistics.interleaving import turns
from tandem.measure.statistics.knee import fit_line, fit_step
from tandem.measure.studies.growth.results import concurrency_points, context_points, draft_points
from tandem.measure.studies.growth.trials import Findings, Trials
from tandem.shared.errors import ExpectedError


async def measured(
    servers: Sequence[Server], settings: Settings, on_stage: Callable[[str], None], stop: asyncio.Event
) -> Growth:
    """Measure the first server, and compare the others with it; `stop` ends it early, with what there is until then.

    Raises TandemRpcError and ValueError if it can't even begin.
    """
    started_at = datetime.now(UTC)
    model = await _model(servers, settings.model)
    settings = settings.model_copy(update={"model": model.name})
    findings = Findings()
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(generator(server.address, stop)) for server in servers]
        problem = await _rounds(Trials(sources, _fitting(settings, model), findings), settings, on_stage)
    return document_of(servers, model, settings, findings, problem, started_at)


async def _model(servers: Sequence[Server], name: str) -> ServedModel:
    """Return the model to measure, which all servers hold alike. Raises ValueError."""
    found: list[ServedModel] = []
    for server in servers:
        try:
            models = await served_models(server.address, ["sequential"])
        except TandemRpcError as error:
            if server is servers[0]:
                raise
            raise ExpectedError(f"also: {server.address}={server.label}: {error.message or error.code}") from None
        wanted = found[0].name if found else name
        found.append(model_of(with_model(Workload(kind="text", delivery="streamed", model=wanted), models), models))
    for server, other in zip(servers, found, strict=True):
        if (other.dtype, other.device) != (found[0].dtype, found[0].device):
            raise ExpectedError(
                f"also: {server.address} holds {other.name} as {other.dtype} on {other.device}, {servers[0].address} as"
                f" {found[0].dtype} on {found[0].device}; to be compared they must be alike"
            )
    return found[0]


def _fitting(settings: Settings, model: ServedModel) -> Settings:
    """Return the settings with the contexts that the model takes."""
    most = (model.max_context_tokens or 0) - settings.context_new_tokens
    return settings.model_copy(update={"contexts": tuple(each for each in settings.contexts if each <= most)})


async def _rounds(trials: Trials, settings: Settings, on_stage: Callable[[str], None]) -> str:
    """Carry out all trials of all rounds, in an order that changes; return why it ended early, empty if it did not."""
    orders = turns(trials.all(), np.random.default_rng(settings.seed))
    name = "warm-up"
    try:
        on_stage(name)
        await trials.warm_up()
        for number in range(settings.num_rounds):
            for name, trial in next(orders):
                on_stage(f"round {number + 1} of {settings.num_rounds}: {name}")
                await trial(name)
    except BrokenOff as error:
        return str(error) if str(error) == BROKEN_OFF else f"{name}: {error}"
    return ""


def document_of(
    servers: Sequence[Server],
    model: ServedModel,
    settings: Settings,
    findings: Findings,
    problem: str,
    started_at: datetime,
) -> Growth:
    """Return the document; `problem`: why the measurement ended early, empty if it did not."""
    problems = [problem] if problem else []
    streams = concurrency_points(findings, problems)
    contexts = context_points(findings, problems)
    drafts = draft_points(findings, servers, problems)
    # A round that was broken off has measured some points less often.
    rounds = list(zip(*(point.step_seconds_of_rounds for point in streams), strict=False))
    tokens = [float(point.context_tokens) for point in contexts]
    # In the middle of the new tokens.
    middles = [each + settings.context_new_tokens / 2 for each in tokens]
    return Growth(
        **header_of(servers[0].address, [model], started_at, findings.audited_runs.summary(), problems, bool(problem)),
        settings=settings,
        concurrency=tuple(streams),
        context=tuple(contexts),
        drafts=tuple(drafts),
        step_fit=fit_step([float(point.concurrency) for point in streams], rounds),
        gap_fit=fit_line(middles, [point.gap_p50_seconds.value for point in contexts]),
        first_token_fit=fit_line(tokens, [point.first_token_seconds.value for point in contexts]),
    )
