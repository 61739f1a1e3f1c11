"""`tandem models check NAME --seeds`: the same seeds alone and beside random other requests, at every replica.

The first address, asked for one thing at a time, says what is right; every other output is compared with that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tandem.cli.models.seeds.subjects import Output, Subject, subject_of
from tandem.cli.terminal import Terminal
from tandem.client import AsyncTandemClient, NotReachable, ResourceExhausted
from tandem.measure.quality.drawing import served_model
from tandem.measure.report.tables import Row, Table, terminal_table
from tandem.shared.errors import ExpectedError

AT_A_TIME = 192
SHUFFLE_SEED = 1
RETRY_AFTER_SECONDS = 0.1

Result = TypeVar("Result")
Probe = tuple[str, int]  # kind of request, seed


def check_seeds(
    name: str, addresses: Sequence[str], terminal: Terminal, *, num_seeds: int, timeout_seconds: float
) -> bool:
    """Print the table; return whether every output was the same to the last bit. Raises TandemRpcError, ValueError."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with terminal.progress(*columns) as progress:
        comparing = _compare_all(name, addresses, num_seeds, progress)
        try:
            paradigm, rows = asyncio.run(asyncio.wait_for(comparing, timeout_seconds))
        except TimeoutError:
            took = f"the check took longer than {timeout_seconds:g} s"
            raise ExpectedError(f"{took}: ask for fewer seeds (--count), or give it longer (--timeout)") from None
    terminal.out.print(terminal_table(agreement_table(paradigm, name, rows)))
    return not any(row.is_bad for row in rows)


async def _compare_all(
    name: str, addresses: Sequence[str], num_seeds: int, progress: Progress
) -> tuple[str, list[Row]]:
    """Ask one replica after another; return the paradigm and what was found."""
    expected: list[Output] = []
    rows: list[Row] = []
    paradigm = ""
    for address in addresses:
        async with AsyncTandemClient(address) as client:
            subject = await _subject(client, name)
            paradigm = subject.paradigm
            probes = [(kind, seed) for kind in subject.kinds for seed in range(num_seeds)]
            for sent in ("alone", "beside others"):
                task = progress.add_task(f"{address}, {sent}", total=len(probes))
                advance, beside_others = partial(progress.advance, task), sent == "beside others"
                outputs = await _ask(client, subject, probes, beside_others=beside_others, advance=advance)
                for kind in subject.kinds if expected else ():
                    pairs = zip(probes, expected, outputs, strict=True)
                    own = [(seed, right, output) for (of, seed), right, output in pairs if of == kind]
                    rows.append(agreement_row(kind, address, sent, own))
                expected = expected or outputs
    return paradigm, rows


async def _subject(client: AsyncTandemClient, name: str) -> Subject:
    try:
        return subject_of(await served_model(client, name))
    except NotReachable:
        a_replica = "a replica with `python -m services.ar --port PORT` (parallel models: services.gan)"
        raise ExpectedError(
            f"nothing answers at {client.address}; start all with `tandem up`, or {a_replica}"
        ) from None


async def _ask(
    client: AsyncTandemClient,
    subject: Subject,
    probes: Sequence[Probe],
    *,
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
    tasks: dict[int, asyncio.Task[Any]] = {
        number: asyncio.create_task(probe(*probes[number]) if number < len(probes) else send_other(number))
        for number in numbers
    }
    try:
        await asyncio.gather(*tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()
    return [tasks[number].result() for number in range(len(probes))]


async def _patiently(send: Callable[[], Awaitable[Result]]) -> Result:
    """Send a request again as long as the server's queue is full."""
    while True:
        try:
            return await send()
        except ResourceExhausted as error:
            await asyncio.sleep(error.retry_after_seconds or RETRY_AFTER_SECONDS)


def first_difference(expected: Output, got: Output) -> str | None:
    """Return where tokens or pixels of two outputs part, None if they are the same in every bit."""
    token = _first_unequal(np.array(expected.token_ids), np.array(got.token_ids))
    if token is not None:
        return f"token {token}"
    byte = _first_unequal(np.frombuffer(expected.pixels, np.uint8), np.frombuffer(got.pixels, np.uint8))
    return None if byte is None else f"value {byte // expected.pixel_size}"


def _first_unequal(left: np.ndarray, right: np.ndarray) -> int | None:
    length = min(len(left), len(right))
    unequal = np.flatnonzero(left[:length] != right[:length])
    if len(unequal):
        return int(unequal[0])
    return None if len(left) == len(right) else length


def agreement_row(kind: str, address: str, sent: str, outputs: Sequence[tuple[int, Output, Output]]) -> Row:
    """Return the row of one kind of request, sent alone or beside others to one replica; `outputs` are of a seed each:
    what the same request brought elsewhere, and what it brought here.
    """
    places = [(seed, first_difference(expected, got)) for seed, expected, got in outputs]
    differences = [f"seed {seed}, {place}" for seed, place in places if place is not None]
    num_equal = sum(expected.logprobs == got.logprobs for _, expected, got in outputs)
    logprobs = share_text(num_equal, len(outputs)) if any(expected.logprobs for _, expected, _ in outputs) else "-"
    identical = f"{share_text(len(outputs) - len(differences), len(outputs))} of {len(outputs)}"
    return Row((kind, address, sent, identical, next(iter(differences), ""), logprobs), is_bad=bool(differences))


def share_text(count: int, total: int) -> str:
    """Return a share in percent, never rounded up to 100."""
    return f"{1000 * count // total / 10:.1f} %"


def agreement_table(paradigm: str, model: str, rows: Sequence[Row]) -> Table:
    """Return one row for each kind of request, replica, and sending alone or beside others."""
    title = f"{model}, {paradigm}: outputs against those of the first replica, sent alone"
    return Table(("requests", "replica", "sent", "identical", "first difference", "logprobs"), list(rows), title)
