"""`tandem models check NAME --seeds`: the same seeds alone and beside random other requests, at every replica.

The first address, asked for one thing at a time, says what is right; every other output is compared with that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tandem.cli.models.seeds.agreement import Agreement, Output, agreement_table
from tandem.cli.models.seeds.subjects import Subject, subject_of
from tandem.cli.terminal import Terminal
from tandem.client import AsyncTandemClient, NotReachable, ResourceExhausted
from tandem.measure.quality.drawing import served_model
from tandem.measure.report.tables import terminal_table
from tandem.shared.errors import ExpectedError

AT_A_TIME = 192
SHUFFLE_SEED = 1
RETRY_AFTER_SECONDS = 0.1

Result = TypeVar("Result")
Probe = tuple[str, int]  # kind of request, seed


@dataclass(frozen=True)
class SeedCheck:
    """What to check, and where."""

    name: str
    addresses: Sequence[str]
    count: int
    timeout_seconds: float


def check_seeds(check: SeedCheck, terminal: Terminal) -> bool:
    """Print the table; return whether every output was the same to the last bit. Raises TandemRpcError, ValueError."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with terminal.progress(*columns) as progress:
        paradigm, agreements = asyncio.run(_within_limit(check, progress))
    terminal.out.print(terminal_table(agreement_table(paradigm, check.name, agreements)))
    return all(agreement.is_whole for agreement in agreements)


async def _within_limit(check: SeedCheck, progress: Progress) -> tuple[str, list[Agreement]]:
    try:
        async with asyncio.timeout(check.timeout_seconds):
            return await _compare_all(check, progress)
    except TimeoutError:
        took = f"the check took longer than {check.timeout_seconds:g} s"
        raise ExpectedError(f"{took}: ask for fewer seeds (--count), or give it longer (--timeout)") from None


async def _compare_all(check: SeedCheck, progress: Progress) -> tuple[str, list[Agreement]]:
    """Ask one replica after another; return the paradigm and what was found."""
    expected: list[Output] = []
    agreements: list[Agreement] = []
    paradigm = ""
    for address in check.addresses:
        async with AsyncTandemClient(address) as client:
            subject = await _subject(client, check.name)
            paradigm = subject.paradigm
            probes = [(kind, seed) for kind in subject.kinds for seed in range(check.count)]
            for sent in ("alone", "beside others"):
                task = progress.add_task(f"{address}, {sent}", total=len(probes))
                outputs = await _ask(
                    client,
                    subject,
                    probes=probes,
                    beside_others=sent == "beside others",
                    advance=partial(progress.advance, task),
                )
                if expected:
                    agreements += _agreements(address, sent, probes=probes, expected=expected, outputs=outputs)
                expected = expected or outputs
    return paradigm, agreements


async def _subject(client: AsyncTandemClient, name: str) -> Subject:
    try:
        return subject_of(await served_model(client, name))
    except NotReachable:
        a_replica = "a replica with `python -m services.ar --port PORT` (parallel models: services.gan)"
        raise ExpectedError(
            f"nothing answers at {client.address}; start all with `tandem up`, or {a_replica}"
        ) from None


def _agreements(
    address: str, sent: str, *, probes: Sequence[Probe], expected: Sequence[Output], outputs: Sequence[Output]
) -> list[Agreement]:
    """Return one for each kind of request, in the order of the probes."""
    agreements: dict[str, Agreement] = {}
    for (kind, seed), right, output in zip(probes, expected, outputs, strict=True):
        agreements.setdefault(kind, Agreement(kind, address, sent)).add(seed, right, output)
    return list(agreements.values())


async def _ask(
    client: AsyncTandemClient,
    subject: Subject,
    *,
    probes: Sequence[Probe],
    beside_others: bool,
    advance: Callable[[], object],
) -> list[Output]:
    """Return the output of each probe: sent one at a time, or all at once among as many others."""
    turnstile = asyncio.Semaphore(AT_A_TIME if beside_others else 1)

    async def probe(kind: str, seed: int) -> Output:
        async with turnstile:
            output = await _patiently(lambda: subject.probe(client, kind, seed))
        advance()
        return output

    async def send_other(number: int) -> None:
        async with turnstile:
            await _patiently(lambda: subject.send_other(client, np.random.default_rng([SHUFFLE_SEED, number])))

    numbers = list(range(len(probes)))
    if beside_others:
        numbers = np.random.default_rng(SHUFFLE_SEED).permutation(2 * len(probes)).tolist()
    asked: dict[int, asyncio.Task[Output]] = {}
    others: list[asyncio.Task[None]] = []
    for number in numbers:
        if number < len(probes):
            asked[number] = asyncio.create_task(probe(*probes[number]))
        else:
            others.append(asyncio.create_task(send_other(number)))
    try:
        await asyncio.gather(*asked.values(), *others)
    finally:
        for task in (*asked.values(), *others):
            task.cancel()
    return [asked[number].result() for number in range(len(probes))]


async def _patiently(send: Callable[[], Awaitable[Result]]) -> Result:
    """Send a request again as long as the server's queue is full."""
    while True:
        try:
            return await send()
        except ResourceExhausted as error:
            await asyncio.sleep(error.retry_after_seconds or RETRY_AFTER_SECONDS)
