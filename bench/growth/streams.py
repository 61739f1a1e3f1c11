"""Streams of one server: which tokens came, and when. Knows neither what they are for nor what they are compared with.

The client is as cheap as can be, as it may share its cores with the server.
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import grpc

from bench.growth.document import Server
from bench.side_by_side.answers import WrongOutput, together
from tandem.ar.v1 import ar_pb2
from tandem.ar.v1.ar_pb2_grpc import AutoregressiveServiceStub
from tandem.client.channels import open_async_channel
from tandem.client.credentials import CallMetadata, Credentials
from tandem.client.errors import typed_errors

_LIMIT_SECONDS = 120.0


@dataclass
class Stream:
    """`times` and `counts` of the messages that brought tokens."""

    sent: float
    times: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)

    @property
    def first_token_seconds(self) -> float:
        return self.times[0] - self.sent


@dataclass(frozen=True)
class Together:
    """Streams that were sent at once. Seconds of their common part: from the last one's first token to the first one's
    end, in which all were generating; there may be none, if the server did not run all of them at a time.
    """

    streams: Sequence[Stream]

    @property
    def whole_tokens_per_second(self) -> float:
        seconds = max(each.times[-1] for each in self.streams) - min(each.sent for each in self.streams)
        return sum(len(each.token_ids) for each in self.streams) / seconds

    @property
    def first_token_p50_seconds(self) -> float:
        return statistics.median(each.first_token_seconds for each in self.streams)

    @property
    def common(self) -> tuple[float, float]:
        """Beginning and end of the common part."""
        return max(each.times[0] for each in self.streams), min(each.times[-1] for each in self.streams)

    @property
    def decode_tokens_per_second(self) -> float | None:
        begin, end = self.common
        if end <= begin:
            return None
        rows = (row for each in self.streams for row in zip(each.times, each.counts, strict=True))
        return sum(count for at, count in rows if begin < at <= end) / (end - begin)

    @property
    def gap_p50_seconds(self) -> float | None:
        begin, end = self.common
        pairs = (pair for each in self.streams for pair in itertools.pairwise(each.times))
        gaps = [after - before for before, after in pairs if begin <= before and after <= end]
        return statistics.median(gaps) if gaps else None

    @property
    def tokens_per_message(self) -> float:
        """Behind each stream's first message; 0 if there was none."""
        counts = [count for each in self.streams for count in each.counts[1:]]
        return statistics.fmean(counts) if counts else 0.0


class Asker:
    """Asks one server for streams of one model, over one connection."""

    def __init__(self, server: Server, model: str, channel: grpc.aio.Channel, metadata: CallMetadata | None) -> None:
        self.server = server
        self._model = model
        self._stub = AutoregressiveServiceStub(channel)
        self._metadata = metadata

    async def ask(self, prompts: Sequence[ar_pb2.GenerateRequest], num_tokens: int) -> Together:
        """Send all prompts at once, for so many tokens each. Raises TandemRpcError, and WrongOutput for other numbers
        of tokens.
        """
        with typed_errors(self.server.address):
            found = Together(await together(self._stream(prompt, num_tokens) for prompt in prompts))
        for stream in found.streams:
            if len(stream.token_ids) != num_tokens:
                raise WrongOutput(
                    f"{self.server.address}: {len(stream.token_ids)} tokens where {num_tokens} were asked for"
                )
        return found

    async def _stream(self, prompt: ar_pb2.GenerateRequest, num_tokens: int) -> Stream:
        prompt.model, prompt.sampling.max_tokens, prompt.sampling.ignore_eos = self._model, num_tokens, True
        stream = Stream(time.perf_counter())
        call = self._stub.Generate(prompt, timeout=_LIMIT_SECONDS, metadata=self._metadata)
        try:
            while (message := await call.read()) is not grpc.aio.EOF:
                if message.token_ids:
                    stream.times.append(time.perf_counter())
                    stream.counts.append(len(message.token_ids))
                    stream.token_ids += message.token_ids
        finally:
            call.cancel()  # no effect on one that has ended
        return stream


@contextlib.asynccontextmanager
async def connected(servers: Sequence[Server], model: str) -> AsyncIterator[list[Asker]]:
    """Yield one who asks for each server, in their order."""
    credentials = Credentials.from_environment()
    async with contextlib.AsyncExitStack() as channels:
        yield [
            Asker(
                server,
                model,
                await channels.enter_async_context(open_async_channel(server.address, credentials)),
                credentials.metadata,
            )
            for server in servers
        ]
