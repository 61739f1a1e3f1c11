"""A measurement from beginning to end: which model, visits in turn for so many rounds, the document of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from bench.compare.interleaving import turns
from bench.growth.document import Growth, Server, Settings
from bench.growth.knee import fit_line, fit_step
from bench.growth.results import concurrency_points, context_points, draft_points
from bench.growth.streams import connected
from bench.growth.visits import Findings, Visits
from bench.growth.wording import METHOD, explanation
from bench.load.document import ServedModel
from bench.load.machine import this_machine
from bench.load.scenario import Work
from bench.load.served import model_of, served_models, with_model
from bench.side_by_side.answers import WrongOutput
from tandem.client import TandemRpcError
from tandem.client.channels import is_loopback

BROKEN_OFF = "broken off by hand"
LOCAL = (
    "Client and server shared the cores of one machine: what a stream costs of its own includes the client's share of"
    " each message."
)


async def measured(
    servers: Sequence[Server], settings: Settings, on_stage: Callable[[str], None], stop: asyncio.Event
) -> Growth:
    """Measure the first server, and compare the others with it; `stop` ends it early, with what there is until then.

    Raises TandemRpcError and ValueError if it can't even begin.
    """
    started_at = datetime.now(UTC)
    model = await _model(servers, settings.model)
    settings = settings.model_copy(update={"model": model.name})
    fitting, caveats = _fitting(settings, model)
    if is_loopback(servers[0].address):
        caveats.append(LOCAL)
    findings = Findings()
    async with connected(servers, model.name) as askers:
        visits = Visits(askers, fitting, model.vocab_size or 1)
        on_stage("warm-up")
        await visits.warm_up()
        problem = await _rounds(visits, settings, findings, on_stage, stop)
    return document_of(servers, model, settings, findings, problem, caveats, started_at)


async def _model(servers: Sequence[Server], name: str) -> ServedModel:
    """Return the model to measure, which all servers hold alike. Raises ValueError."""
    found: list[ServedModel] = []
    for server in servers:
        models = await served_models(server.address, ["sequential"])
        wanted = found[0].name if found else name
        found.append(model_of(with_model(Work(kind="text", delivery="streamed", model=wanted), models), models))
    for server, other in zip(servers, found, strict=True):
        if (other.dtype, other.device) != (found[0].dtype, found[0].device):
            raise ValueError(
                f"also: {server.address} holds {other.name} as {other.dtype} on {other.device}, {servers[0].address} as"
                f" {found[0].dtype} on {found[0].device}; to be compared they must be alike"
            )
    return found[0]


def _fitting(settings: Settings, model: ServedModel) -> tuple[Settings, list[str]]:
    """Return the settings with the contexts that the model takes, and what that leaves out."""
    most = (model.max_context_tokens or 0) - settings.context_new_tokens
    contexts = tuple(tokens for tokens in settings.contexts if tokens <= most)
    left_out = [f"{tokens:,}" for tokens in settings.contexts if tokens > most]
    caveats = [f"Contexts left out, as the server takes {most:,} at most: {', '.join(left_out)}."] if left_out else []
    return settings.model_copy(update={"contexts": contexts}), caveats


async def _rounds(
    visits: Visits, settings: Settings, findings: Findings, on_stage: Callable[[str], None], stop: asyncio.Event
) -> str:
    """Carry out all visits of all rounds, in an order that changes; return why it ended early, empty if it did not."""
    orders = turns(visits.all(), np.random.default_rng(settings.seed))
    try:
        for number in range(settings.num_rounds):
            for visit in next(orders):
                on_stage(f"round {number + 1} of {settings.num_rounds}: {visit.name}")
                if not await _unless(stop, visit.run(findings)):
                    return BROKEN_OFF
    except (TandemRpcError, WrongOutput) as error:
        return f"{visit.name}: {error}"
    return ""


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work; return False if `stop` came first and it was cancelled."""
    task, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return task.done()
    finally:
        task.cancel()
        stopping.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


def document_of(
    servers: Sequence[Server],
    model: ServedModel,
    settings: Settings,
    findings: Findings,
    problem: str,
    caveats: Sequence[str],
    started_at: datetime,
) -> Growth:
    streams, stream_problems = concurrency_points(findings)
    contexts, context_problems = context_points(findings)
    drafts, draft_problems = draft_points(findings, servers)
    # A round that was broken off has visited some points less often.
    num_whole = min((len(point.step_seconds.values) for point in streams), default=0)
    rounds = [[point.step_seconds.values[number] for point in streams] for number in range(num_whole)]
    tokens = [float(point.context_tokens) for point in contexts]
    document = Growth(
        tool_version=version("tandem-serving"),
        address=servers[0].address,
        is_local=is_loopback(servers[0].address),
        is_partial=bool(problem),
        problems=tuple(filter(None, (problem, *stream_problems, *context_problems, *draft_problems))),
        caveats=tuple(caveats),
        started_at=started_at,
        machine=this_machine(),
        models=(model,),
        settings=settings,
        method=METHOD,
        concurrency=tuple(streams),
        context=tuple(contexts),
        drafts=tuple(drafts),
        step_fit=fit_step([float(point.concurrency) for point in streams], rounds),
        gap_fit=fit_line(
            # In the middle of the new tokens.
            [each + settings.context_new_tokens / 2 for each in tokens],
            [point.gap_p50_seconds.median for point in contexts],
        ),
        first_token_fit=fit_line(tokens, [point.first_token_seconds.median for point in contexts]),
        explanation=(),
    )
    return document.model_copy(update={"explanation": tuple(explanation(document))})
