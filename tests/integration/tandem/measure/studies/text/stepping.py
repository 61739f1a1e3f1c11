"""A server of one text model that computes nothing: a step takes as long as its rows are said to cost.

    python -m tests.integration.tandem.measure.studies.text.stepping LEAST_SECONDS ROW_SECONDS

A step takes LEAST_SECONDS, or ROW_SECONDS a row where that is longer. K tokens a step are 2 K rows, a token a step is
one; drafts bring two tokens in three rows as long as no more than DRAFTING sequences run. Prints its port and that of
its metrics page.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1.timings_pb2 import Timings
from tests.integration.tandem.fakes import FakeParallel, FakeSequential, server_of

NAME, DRAFTING, PROMPT_ROWS = "stepping", 4, 4


@dataclass
class Running:
    """A text that is generated."""

    wanted: int
    given: int | None  # tokens a step; None: drafts
    tokens: int = 0
    batches: list[int] = field(default_factory=list)
    first_at: float = 0.0
    stepped: asyncio.Event = field(default_factory=asyncio.Event)

    def work(self, num_running: int) -> tuple[int, int]:
        """Return rows and tokens of its next step."""
        if not self.batches:
            return PROMPT_ROWS, 1
        if self.given is None:
            return (3, 2) if num_running <= DRAFTING else (1, 1)
        return (1, 1) if self.given == 1 else (2 * self.given, self.given)


class Stepping(FakeSequential):
    """Serves all that run in one batch."""

    def __init__(self, least_seconds: float, row_seconds: float) -> None:
        super().__init__()
        self._least, self._row = least_seconds, row_seconds
        self._running: list[Running] = []
        self._arrived = asyncio.Event()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._batch = Histogram("tandem_batch_size", "", ["model"], registry=self.registry)
        self._rows = Counter("tandem_computed_tokens", "", ["model", "kind"], registry=self.registry)

    async def step(self) -> None:
        """Step for ever."""
        while True:
            await self._arrived.wait()
            batch = list(self._running)
            works = [each.work(len(batch)) for each in batch]
            rows = sum(rows for rows, _ in works)
            await asyncio.sleep(max(self._least, self._row * rows))
            self._batch.labels(NAME).observe(len(batch))
            self._rows.labels(NAME, "decode").inc(rows)
            for each, (_, tokens) in zip(batch, works, strict=True):
                each.batches.append(len(batch))
                each.tokens = min(each.wanted, each.tokens + tokens)
                each.stepped.set()
                if each.tokens == each.wanted:
                    self._running.remove(each)
            if not self._running:
                self._arrived.clear()

    async def generate(self, request: ar_pb2.GenerateRequest, call: Call) -> AsyncIterator[ar_pb2.GenerateResponse]:
        sampling, began = request.sampling, time.monotonic()
        own = Running(sampling.max_tokens, sampling.tokens_per_step or None)
        self._running.append(own)
        self._arrived.set()
        sent = 0
        while sent < own.wanted:
            await own.stepped.wait()
            own.stepped.clear()
            own.first_at = own.first_at or time.monotonic()
            yield ar_pb2.GenerateResponse(token_ids=range(sent, own.tokens))
            sent = own.tokens
        timings = Timings(prefill_seconds=own.first_at - began, decode_seconds=time.monotonic() - own.first_at)
        timings.total_seconds = timings.prefill_seconds + timings.decode_seconds
        timings.mean_batch_size = sum(own.batches) / len(own.batches)
        yield ar_pb2.GenerateResponse(finish_reason=ar_pb2.FINISH_REASON_LENGTH, timings=timings)

    async def score(self, request: ar_pb2.ScoreRequest, call: Call) -> ar_pb2.ScoreResponse:
        """A token has a nat for each token of its step."""
        (given,) = request.tokens.token_lists
        ids, logprob = given.ids[request.context_tokens :], -float(request.tokens_per_step)
        tokens = [ar_pb2.TokenLogprob(token_id=number, logprob=logprob, token=b"ab") for number in ids]
        return ar_pb2.ScoreResponse(likelihoods=[ar_pb2.Likelihood(tokens=tokens)])

    async def list_models(self, request: object, call: Call) -> ar_pb2.ListModelsResponse:
        model = ar_pb2.Model(name=NAME, modality="text", vocab_size=256, takes_steps=True, max_context_tokens=512)
        return ar_pb2.ListModelsResponse(models=[model])


async def main(least_seconds: float, row_seconds: float) -> None:
    stepping = Stepping(least_seconds, row_seconds)
    page, _ = start_http_server(0, "127.0.0.1", stepping.registry)
    server = server_of(stepping, FakeParallel())
    await server.start()
    await server.health.set_serving(True)
    print(server.port, page.server_port, sep="\n", flush=True)
    await stepping.step()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2])))
