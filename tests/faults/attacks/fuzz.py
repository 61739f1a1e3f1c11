"""Mutated messages to every method of a server, and how each call ended.

Message `number` of a seed is always the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import grpc

from tests.faults.attacks.byte_mutation import mutate_bytes
from tests.faults.attacks.field_mutation import mutate_fields
from tests.faults.attacks.finite import first_not_finite
from tests.faults.attacks.reflected import Method
from tests.faults.attacks.valid_messages import valid_messages

MAX_BYTES = 3_500_000  # below the limit of a message, so that what is sent is read
MAX_READ = 3  # messages of a reply; a longer stream is cancelled
LIMIT_SECONDS = 60.0
NUM_IN_FLIGHT = 16
NUM_KEPT = 3
MAX_GONE = 100

OK, CUT, GONE, NOT_FINITE = "OK", "CANCELLED", "UNAVAILABLE", "NOT FINITE"
# What a strange message may end in. RESOURCE_EXHAUSTED: it asks for more than the queues hold.
ACCEPTED = frozenset({OK, CUT, "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED"})


@dataclass(frozen=True)
class Failure:
    """A call that ended as none may; the seed and the number make its message again."""

    seed: int
    number: int
    path: str
    code: str
    details: str
    message: bytes

    def __str__(self) -> str:
        which = f"seed {self.seed} number {self.number} {self.path}"
        return f"{which}: {self.code} ({self.details[:400]}) {self.message[:400].hex()}"


@dataclass
class Outcomes:
    """How the calls ended: by rpc and code, and the failures one by one."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    """The first few of each method and code."""
    num_failures: int = 0

    def note(self, code: str, failure: Failure) -> None:
        """Count a call that ended with this code; `failure` is what to keep of it, if it failed."""
        self.counts[failure.path, OK if code == NOT_FINITE else code] += 1
        if code in ACCEPTED:
            return
        self.num_failures += 1
        if sum((each.path, each.code) == (failure.path, code) for each in self.failures) < NUM_KEPT:
            self.failures.append(failure)

    @property
    def is_gone(self) -> bool:
        """Whether the server does not seem to come back."""
        return sum(count for (_, code), count in self.counts.items() if code == GONE) >= MAX_GONE

    @property
    def num_calls(self) -> int:
        """Calls that have ended."""
        return sum(self.counts.values())


class Fuzzer:
    """Makes the messages of one seed for the methods of one server."""

    def __init__(self, methods: Sequence[Method], text_model: str | None, seed: int) -> None:
        self.seed = seed
        self._methods = methods
        self._valid = {method: valid_messages(method, text_model) for method in methods}

    def message(self, number: int) -> tuple[Method, bytes]:
        """Return the method and the message of a number; methods take turns."""
        random = Random(f"{self.seed}/{number}")
        method = self._methods[number % len(self._methods)]
        raw = self._mutated(method, random)
        return method, raw[:MAX_BYTES]

    def _mutated(self, method: Method, random: Random) -> bytes:
        raw = random.choice(self._valid[method])
        if random.random() < 0.65:
            message = method.request_class.FromString(raw)
            mutate_fields(message, random)
            raw = message.SerializeToString()
            return raw if random.random() < 0.9 else mutate_bytes(raw, raw, random)
        return mutate_bytes(raw, random.choice(self._valid[method]), random)


async def fuzz(address: str, fuzzer: Fuzzer, numbers: range) -> Outcomes:
    """Send the messages of these numbers to `host:port`, some at a time; stop early if the server is gone."""
    outcomes, waiting = Outcomes(), iter(numbers)
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]

    async def work() -> None:
        for number in waiting:
            if outcomes.is_gone:
                return
            method, message = fuzzer.message(number)
            code, details = await _call(channel, method, message)
            outcomes.note(code, Failure(fuzzer.seed, number, method.path, code, details, message))

    async with grpc.aio.insecure_channel(address, options=options) as channel:
        await asyncio.gather(*(work() for _ in range(NUM_IN_FLIGHT)))
    return outcomes


async def _call(channel: grpc.aio.Channel, method: Method, message: bytes) -> tuple[str, str]:
    """Return the name of the status and its details; NOT_FINITE and the field for a good status over NaN.

    The deadline is far: a call that meets it hangs.
    """
    call: Any = channel.unary_stream(method.path)(message, timeout=LIMIT_SECONDS)  # type: ignore[arg-type]
    culprit: str | None = None
    try:
        for _ in range(1 if method.is_watch else MAX_READ):
            reply = await call.read()
            if reply is grpc.aio.EOF:
                return (NOT_FINITE, culprit) if culprit else ((await call.code()).name, await call.details() or "")
            culprit = culprit or first_not_finite(method.response_class.FromString(reply))
        call.cancel()
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details() or ""
    return CUT, ""
