"""Through the real gateway to the real backends: counters add up, quantiles agree, seeds hold, bad input is told."""

import asyncio
import random
import time
from collections import Counter

import grpc
import pytest

from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tandem.shared.metrics import SECONDS_BUCKETS


@pytest.fixture
async def channel(stack):
    async with grpc.aio.insecure_channel(stack.address) as channel:
        yield channel


@pytest.fixture
def text(channel):
    return ar_pb2_grpc.AutoregressiveServiceStub(channel)


@pytest.fixture
def images(channel):
    return gan_pb2_grpc.GanServiceStub(channel)


def generation(**sampling: object) -> ar_pb2.GenerateRequest:
    return ar_pb2.GenerateRequest(text="The two clocks", sampling=ar_pb2.SamplingParams(ignore_eos=True, **sampling))


async def test_requests_by_code_are_the_client_s_history(stack, channel, text, images):
    """A mixed run: text and images, good and bad, a deadline and a cancel among them."""
    await channel.channel_ready()  # of a short deadline, nothing is spent on connecting
    before = by_code(stack)
    history: Counter[tuple[str, str]] = Counter()

    async def note(rpc: str, call) -> None:
        try:
            if rpc == "Generate":
                async for _ in call:
                    pass
            else:
                await call
            history[rpc, "OK"] += 1
        except grpc.aio.AioRpcError as error:
            history[rpc, error.code().name] += 1

    async def cancelled() -> None:
        call = text.Generate(generation(max_tokens=450, n=16))  # longer than any pause of this process
        await call.read()
        call.cancel()
        history["Generate", "CANCELLED"] += 1

    await asyncio.gather(
        *(note("Generate", text.Generate(generation(max_tokens=8, seed=i))) for i in range(40)),
        *(note("Generate", text.Generate(generation(top_p=2.0))) for _ in range(5)),
        *(note("Generate", text.Generate(ar_pb2.GenerateRequest(model="../../x", text="a"))) for _ in range(3)),
        *(note("Generate", text.Generate(generation(max_tokens=450, n=16), timeout=3.0)) for _ in range(2)),
        *(cancelled() for _ in range(10)),
        *(note("Sample", images.Sample(gan_pb2.SampleRequest(seed=i))) for i in range(100)),
        *(note("Sample", images.Sample(gan_pb2.SampleRequest(count=0))) for _ in range(4)),
        *(note("Sample", images.Sample(gan_pb2.SampleRequest(labels=[10]))) for _ in range(2)),
        note("Score", text.Score(ar_pb2.ScoreRequest(texts=ar_pb2.TextContent(texts=["one two"])))),
    )
    async with asyncio.timeout(60):
        while (found := by_code(stack) - before) != history:
            assert found <= history, found - history
            await asyncio.sleep(0)
        # The gauge is read from Envoy once a second, the counters from its access log.
        while any(value for _, value in stack.samples("tandem_requests_in_flight")):
            await asyncio.sleep(0.05)


def by_code(stack) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for labels, value in stack.samples("tandem_requests_total"):
        if labels["rpc"] != "ListModels":
            found[labels["rpc"], labels["code"]] += int(value)
    return found


async def test_no_request_takes_longer_by_the_gateway_s_clock_than_by_its_client_s(stack, images):
    name, labels = "gen_ai_server_request_duration_seconds_bucket", {"rpc": "Sample", "code": "OK"}
    before = cumulative(stack.samples(name, **labels))
    seconds: list[float] = []

    async def client() -> None:
        for _ in range(30):
            started = time.perf_counter()
            await images.Sample(gan_pb2.SampleRequest(count=64))
            seconds.append(time.perf_counter() - started)

    await asyncio.gather(client(), client())
    counts = [0]
    async with asyncio.timeout(60):
        while counts[-1] < len(seconds):  # entries of the log come in batches
            await asyncio.sleep(0.05)
            now = cumulative(stack.samples(name, **labels))
            counts = [after - earlier for after, earlier in zip(now, before or [0] * len(now), strict=True)]
    assert counts[-1] == len(seconds) == 60
    for bound, count in zip(SECONDS_BUCKETS, counts, strict=False):
        assert count >= sum(second <= bound for second in seconds), f"within {bound} s"


def cumulative(samples: list[tuple[dict[str, str], float]]) -> list[int]:
    return [int(value) for _, value in sorted(samples, key=lambda sample: float(sample[0]["le"]))]


async def test_a_thousand_images_in_random_company_are_the_bytes_they_are_alone(images):
    chance = random.Random(3)
    requests = [
        gan_pb2.SampleRequest(seed=seed, count=chance.choice((1, 1, 1, 2, 5)), labels=[chance.randrange(10)])
        for seed in range(1000)
    ]
    alone = [(await images.Sample(request)).images.data for request in requests]
    together: list[bytes] = []
    order = chance.sample(range(1000), 1000)
    for start in range(0, 1000, 40):
        replies = await asyncio.gather(*(images.Sample(requests[i]) for i in order[start : start + 40]))
        together.extend(reply.images.data for reply in replies)
    different = sum(alone[i] != data for i, data in zip(order, together, strict=True))
    assert different == 0


async def test_a_stream_of_images_is_the_unary_reply_in_parts(images):
    request = gan_pb2.SampleRequest(seed=9, count=150)
    whole = await images.Sample(request)
    parts = [r.part async for r in images.SampleStream(gan_pb2.SampleStreamRequest(sample=request))]
    assert b"".join(part.images.data for part in parts) == whole.images.data
    assert [part.HasField("timings") for part in parts] == [False] * (len(parts) - 1) + [True]
