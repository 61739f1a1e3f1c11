"""Run the compiled reader of plain requests under sanitisers, on damaged messages and metadata."""

import random
import struct
import subprocess
from pathlib import Path

import pytest

from services.gan.api.quick.calls import QuickCalls
from services.gan.native.build import gan_recipe
from services.gan.native.library import gan_library
from tandem.gan.v1 import gan_pb2
from tandem.shared.compiled.compiler import CompilerFailed, find_compiler
from tests.unit.services.gan.api.quick.test_calls import PATH, TRACE, record

NUM_RECORDS = 20_000
METADATA = (
    ("tandem-peer", "[2001:db8::1]:4711"),
    ("tandem-caller", "alice"),
    ("x-request-id", "an-id"),
    ("tandem-arrived", "1999999999.25"),
    ("traceparent", TRACE + "00"),
)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    made, sources = tmp_path_factory.mktemp("reader") / "reader", gan_recipe().sources
    own = Path(__file__).with_name("read_calls.cpp")
    flags = ["-std=c++20", "-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    try:
        command = [find_compiler(), *flags, own, sources / "quick_calls.cpp", "-o", made]
    except CompilerFailed as error:
        pytest.skip(str(error))
    compiled = subprocess.run(command, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    return made


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Return the bytes with some of them changed, cut off or doubled; now and then as they are."""
    for _ in range(chance.choice((0, 1, 1, 3))):
        at, what = chance.randrange(len(data) + 1), chance.randrange(4)
        other = chance.randbytes(chance.randrange(4))
        data = (
            data[:at],
            data[:at] + other + data[at + 1 :],
            data[:at] + other + data[at:],
            data[:at] + data[at // 2 :],
        )[what]
    return data


def random_record(chance: random.Random) -> bytes:
    fields = gan_pb2.SampleRequest(model="tiny", count=1, seed=chance.getrandbits(64), labels=[chance.randrange(10)])
    message = mutated(chance, fields.SerializeToString())
    told = [
        (key, mutated(chance, value.encode()).decode("latin-1")) for key, value in METADATA if chance.random() < 0.5
    ]
    return record(message, told)


def test_damaged_requests_are_read_within_their_bounds(program):
    chance = random.Random(5)
    records = [random_record(chance) for _ in range(NUM_RECORDS)]
    told = b"".join(struct.pack("=I", len(each)) + each for each in records)
    ended = subprocess.run([program, PATH], input=told, capture_output=True, timeout=120)
    assert (ended.returncode, ended.stderr.decode()) == (0, "")
    calls = QuickCalls(gan_library(), PATH)
    num_plain = sum(1 for each in records for _ in calls.found(each))
    assert int(ended.stdout) == num_plain
    assert NUM_RECORDS / 20 < num_plain < NUM_RECORDS / 2
