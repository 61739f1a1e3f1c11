"""The compiled server under address, undefined-behaviour and thread sanitisers, before clients that follow no rules."""

import asyncio
import contextlib
import os
import random
import resource
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import h2.errors
import pytest

from runtime.http2.build import http2_recipe
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import begin, call_headers, framed, reset_rapidly
from tests.sanitised import SANITISERS, compile_sanitised

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes.fromhex("000000040000000000")
LIMIT_SECONDS = 60


@dataclass
class Echo:
    """A program that runs, and the address that it listens at."""

    process: subprocess.Popen[str]
    address: str


@pytest.fixture(scope="module", params=SANITISERS)
def program(request):
    return compile_sanitised(http2_recipe(), Path(__file__).with_name("echo.cpp"), request.param)


@pytest.fixture
def echo(program, request) -> Iterator[Echo]:
    """Run the program, with an argument if the test has one; after the test it must still echo, and end as it should.

    The sanitisers speak at the end, too.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([program, *getattr(request, "param", ())], text=True, **pipes) as process:
        try:
            echo = Echo(process, f"127.0.0.1:{int(process.stdout.readline())}")
            yield echo
            with grpc.insecure_channel(echo.address) as channel:
                assert channel.unary_unary("/echo/One")(b"hello", timeout=LIMIT_SECONDS) == b"hello"
            out, errors = process.communicate(timeout=LIMIT_SECONDS)
            assert (process.returncode, out, errors) == (0, "ended\n", "")
        finally:
            process.kill()


async def echoes(address: str, path: str = "/echo/One", message: bytes = b"hello") -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        return await channel.unary_unary(path)(message, timeout=LIMIT_SECONDS) == message


async def test_good_calls_of_every_kind(echo):
    async with grpc.aio.insecure_channel(echo.address) as channel:
        for size in (0, 1, 70_000, 4 << 20):
            assert await channel.unary_unary("/echo/One")(bytes(size)) == bytes(size)
        many = channel.unary_stream("/echo/Many")
        read = await asyncio.gather(*(count(many(bytes(100_000))) for _ in range(3)))
        assert read == [51] * 3
        never = [channel.unary_unary("/echo/Never")(b"", timeout=0.3) for _ in range(20)]
        ends = [await call.code() for call in never]
        assert set(ends) == {grpc.StatusCode.DEADLINE_EXCEEDED}
        left = [many(bytes(200_000)) for _ in range(20)]
        for call in left:
            await call.read()
            call.cancel()


async def test_a_connection_that_a_child_process_still_holds(echo):
    """Closing it here does not end it: nothing more may be heard of it all the same."""
    assert await echoes(echo.address, "/echo/Child")
    for _ in range(3):
        assert await echoes(echo.address)


async def count(call) -> int:
    return len([message async for message in call])


async def test_bytes_that_are_no_http2(echo):
    chance = random.Random(7)
    for number in range(200):
        head = PREFACE + SETTINGS if number % 2 else b""
        await throw(echo.address, head + chance.randbytes(chance.randrange(1, 2000)))


async def test_frames_that_follow_no_rules(echo):
    """Frames of every type and length, most of them on streams that make no sense, some with good calls among them."""
    chance = random.Random(11)
    for _ in range(200):
        await throw(echo.address, PREFACE + SETTINGS + b"".join(frame(chance) for _ in range(50)))


HEADERS = bytes.fromhex("8386") + b"\x04\x09/echo/One" + b"\x0f\x10\x10application/grpc"


def frame(chance: random.Random) -> bytes:
    kind, stream = chance.randrange(11), chance.choice([0, 1, 1, 3, 5, 7, 2, 2**31 - 1])
    payload = chance.randbytes(chance.randrange(40))
    if kind == 0 and chance.random() < 0.7:
        payload = struct.pack(">BI", chance.randrange(3), chance.choice([0, 5, 5, 2**32 - 1])) + payload
    if kind == 1 and chance.random() < 0.7:
        payload = HEADERS
    flags = chance.choice([0, 1, 4, 5, chance.randrange(256)])
    return (
        struct.pack(">IBBI", len(payload) << 8 | kind, flags, 0, stream)[:3]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


async def throw(address: str, content: bytes) -> None:
    """Send bytes, read what comes for a moment or until the end, and go."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(content)
        await writer.drain()
        async with asyncio.timeout(0.02):
            await reader.read(-1)
    writer.transport.abort()


async def test_resets_and_calls_that_are_never_whole(echo):
    for message in (None, b"whole"):
        async with connected(echo.address) as connection:
            await reset_rapidly(connection, "/echo/Many", message, 2000)
    async with connected(echo.address) as connection:
        streams = [connection.open_stream(call_headers("/echo/One")) for _ in range(40)]
        for stream in streams:  # of 40 MB together, which is more than the server holds
            await connection.send(stream, framed(bytes(1 << 20))[:-1])
        await connection.flush()
        assert await echoes(echo.address)


async def test_a_reader_that_stalls_past_its_deadline_is_reset(echo):
    async with connected(echo.address, window=20_000) as connection:
        number = await begin(connection, "/echo/Many", bytes(100_000), timeout="100m")
        stream = await connection.answer(number, LIMIT_SECONDS)
        assert (stream.status, stream.error_code) == (None, h2.errors.ErrorCodes.CANCEL)


@pytest.mark.parametrize("path", ["/echo/Headers", "/echo/Trailers"])
async def test_a_call_whose_headers_are_too_large_to_send_is_reset(echo, path):
    async with connected(echo.address) as connection:
        for message, ending in (
            (b"a" * 10_000, (0, None)),
            (b"a" * 70_000, (None, h2.errors.ErrorCodes.INTERNAL_ERROR)),
        ):
            number = await begin(connection, path, message)
            stream = await connection.answer(number, LIMIT_SECONDS)
            assert (stream.status, stream.error_code) == ending


@contextlib.asynccontextmanager
async def asleep(channel, folder) -> AsyncIterator[None]:
    """Have nobody come to any call while the block runs."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    call = channel.unary_unary("/echo/Asleep")(bytes(pipe))
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            with contextlib.suppress(OSError):  # not yet
                alarm = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                break
            await asyncio.sleep(0.01)
        yield
    os.close(alarm)
    assert await call == bytes(pipe)


async def until_done(calls, count) -> None:
    while sum(call.done() for call in calls) < count:
        await asyncio.sleep(0.01)


async def test_calls_that_nobody_comes_to_are_refused_but_health_checks(echo, tmp_path):
    async with grpc.aio.insecure_channel(echo.address) as channel:
        async with asleep(channel, tmp_path):
            calls = [channel.unary_unary("/echo/One")(b"x") for _ in range(200)]
            well = channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
            await until_done(calls, 150)
        codes = [await call.code() for call in calls]
        assert await well == b""
    assert codes.count(grpc.StatusCode.OK) == 50
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 150


async def test_messages_that_nobody_comes_to(echo, tmp_path):
    async with grpc.aio.insecure_channel(echo.address) as channel, connected(echo.address) as connection:
        async with asleep(channel, tmp_path):
            ends = []
            for path, count in (("First", 1000), ("First", 2000), ("One", 2000)):
                number = connection.open_stream(call_headers(f"/echo/{path}"))
                await connection.send(number, count * framed(b""))
                ends.append(connection.answer(number, LIMIT_SECONDS))
            assert [(await end).status_name for end in ends[1:]] == ["RESOURCE_EXHAUSTED", "INTERNAL"]
        assert (await ends[0]).status_name == "OK"


@pytest.mark.parametrize("echo", [["4000000"]], indirect=True)
async def test_replies_that_nobody_reads(echo):
    """Beyond a bound they are refused, or reset; what they held is given back, however they end."""
    for window in (0, 300_000):
        async with connected(echo.address, window=window) as connection:
            numbers = [await begin(connection, path, bytes(300_000)) for path in ("/echo/One", "/echo/Many") * 10]
            ends = [await connection.answer(number, LIMIT_SECONDS) for number in numbers[1::2]]
            reset = (None, h2.errors.ErrorCodes.CANCEL)
            assert reset in {(end.status, end.error_code) for end in ends} <= {reset, (8, None)}
            for number in numbers[::4]:
                connection.reset(number)
            await connection.flush()


async def test_no_more_files(echo):
    """Connections that came wait until there are files for them; those that are open are served."""
    async with grpc.aio.insecure_channel(echo.address) as channel:
        assert await channel.unary_unary("/echo/One")(b"x") == b"x"
        pid, unlimited = echo.process.pid, resource.prlimit(echo.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")), unlimited[1]))
        async with connected(echo.address) as waiting:
            number = await begin(waiting, "/echo/One", b"x")
            for _ in range(50):
                assert await channel.unary_unary("/echo/One")(b"x") == b"x"
            assert not waiting.stream(number).began.is_set()
            resource.prlimit(pid, resource.RLIMIT_NOFILE, unlimited)
            assert (await waiting.answer(number, LIMIT_SECONDS)).status == 0


async def test_calls_that_are_refused_like_others_before_them(echo):
    async with connected(echo.address) as connection:
        await reset_rapidly(connection, "/echo/Full", b"\n\4name", 2000)
    async with grpc.aio.insecure_channel(echo.address) as channel:
        calls = [channel.unary_unary(f"/echo/{name}")(b"\n\4name") for _ in range(300) for name in ("Full", "One")]
        codes = [await call.code() for call in calls]
    assert set(codes[::2]) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert grpc.StatusCode.OK in codes[1::2]


async def test_calls_that_came_before_a_refusal_and_were_not_begun(echo, tmp_path):
    async with grpc.aio.insecure_channel(echo.address) as channel:
        async with asleep(channel, tmp_path):
            names = ["Full", "One"] * 200
            calls = [channel.unary_unary(f"/echo/{name}")(b"\n\4name") for name in names]
            await until_done(calls, 350)
        codes = [await call.code() for call in calls]
    assert set(codes[::2]) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert set(codes[1::2]) <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
