"""Sampling parameters at their extremes: each value by itself, then values of all parameters at once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tandem.ar.v1 import ar_pb2
from tests.effort import Effort
from tests.faults.attacks.finite import first_not_finite
from tests.faults.clients import COMPLETE, Client
from tests.faults.history import History
from tests.faults.product import Product, backend
from tests.faults.report import Sheet
from tests.faults.server import Server

Case = dict[str, Any]
NUM_CALLERS = 4
LIMIT_SECONDS = 60.0
SEED = 12
OPEN_END = 1e-46  # float32 has no such number
UNSET = None

EXTREMES: dict[str, Sequence[Any]] = {
    "temperature": (UNSET, 0.0, 5e-324, OPEN_END, 1e-30, 1e-7, 1.0, 10.0),
    "top_k": (UNSET, 1, 2, 5000, 2**31 - 1),
    "top_p": (UNSET, 5e-324, OPEN_END, 1e-7, 0.9, 0.9999999999999999, 1.0),
    "min_p": (UNSET, OPEN_END, 0.1, 0.9999999999999999, 1.0),
    "repetition_penalty": (UNSET, 5e-324, OPEN_END, 1e-30, 0.01, 0.5, 10.0),
    "presence_penalty": (UNSET, -2.0, OPEN_END, 2.0),
    "frequency_penalty": (UNSET, -2.0, OPEN_END, 2.0),
    "logit_bias": (UNSET, {1: -100.0}, {1: 100.0, 2: 100.0}, {1: OPEN_END}, dict.fromkeys(range(511), -100.0)),
    "min_tokens": (UNSET, 0, 3),
    "max_tokens": (3, 5),
    "stop_token_ids": (UNSET, [0], [1, 2, 3]),
    "ignore_eos": (False, True),
    "n": (UNSET, 1, 3),
    "seed": (0, 2**64 - 1),
}


async def test_sampling_extremes_of_pictures(product: Product, effort: Effort, sheet: Sheet) -> None:
    """Complete of fashion-ar with sampling parameters at their extremes, all at once; every call must end in OK, with
    finite numbers, or in INVALID_ARGUMENT."""
    history, server = await product.history(), product.sequential
    request = ar_pb2.GenerateRequest(model="fashion-ar", class_label=3)
    await _try_all("fashion-ar", product.address, server, request, history, sheet, effort.of(100, 500))


@pytest.mark.model
@pytest.mark.faults
async def test_sampling_extremes_of_texts(tmp_path: Path, sheet: Sheet) -> None:
    """Complete of smollm2 with sampling parameters at their extremes, all at once; every call must end in OK, with
    finite numbers, or in INVALID_ARGUMENT."""
    async with backend(tmp_path, "sequential", 0, "--models", '["smollm2-135m-instruct"]') as server:
        history, prompt = (
            await History(server).begin(),
            ar_pb2.GenerateRequest(model="smollm2-135m-instruct", text="hi"),
        )
        await _try_all("smollm2", server.address, server, prompt, history, sheet, 100)


async def _try_all(
    model: str,
    address: str,
    server: Server,
    request: ar_pb2.GenerateRequest,
    history: History,
    sheet: Sheet,
    num_cases: int,
) -> None:
    """Try each value by itself, then accepted ones together, and note whether `server` outlives it."""
    pid = server.pid
    async with Client(address, history) as client:
        alone = [{name: value} for name, values in EXTREMES.items() for value in values]
        found = await _verdicts(client, request, alone)
        accepted = {name: [case[name] for case, code in found if name in case and code == "OK"] for name in EXTREMES}
        chance = Random(SEED)
        together = [{name: chance.choice(values) for name, values in accepted.items()} for _ in range(num_cases)]
        found += await _verdicts(client, request, together)
    bad = [f"{code}: {case}" for case, code in found if code not in ("OK", "INVALID_ARGUMENT")]
    codes = Counter(code for _, code in found)
    sheet.expect(
        *(f"sampling extremes, {model}", len(bad)),
        f"other ends in {len(found)} cases, {dict(codes)}; the first: {bad[0] if bad else 'none'}",
        bar="0; all of accepted values OK",
        passed=not bad and all(code == "OK" for _, code in found[len(alone) :]),
    )
    sheet.expect_none(f"deaths by sampling, {model}", int(server.pid != pid), "deaths")
    await history.counters_equal()


async def _verdicts(client: Client, request: ar_pb2.GenerateRequest, cases: Sequence[Case]) -> list[tuple[Case, str]]:
    """Return how each case ended, some at a time."""
    found, waiting = list[tuple[Case, str]](), iter(cases)

    async def work() -> None:
        for case in waiting:
            found.append((case, await _verdict(client, request, case)))

    await asyncio.gather(*(work() for _ in range(NUM_CALLERS)))
    return found


async def _verdict(client: Client, request: ar_pb2.GenerateRequest, case: Case) -> str:
    """Return the code that a case ends in, or the field of a good reply that is not finite."""
    given = {name: value for name, value in case.items() if value is not UNSET}
    mine = ar_pb2.CompleteRequest(generate=request)
    mine.generate.sampling.CopyFrom(ar_pb2.SamplingParams(**given))
    mine.generate.logprobs, mine.generate.top_logprobs = True, 5
    ended = await client.call(COMPLETE, mine, timeout_seconds=LIMIT_SECONDS)
    culprit = first_not_finite(ended.last) if ended.is_ok else None
    return f"NOT FINITE {culprit}" if culprit else ended.code
