"""The sender under address, undefined-behaviour and thread sanitisers, before servers that follow no rules."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tandem.measure.generator.native.build import sender_recipe
from tests.integration.tandem.measure.generator.servers import serving
from tests.sanitised import SANITISERS, compile_sanitised

COUNT = 3000
LIMIT_SECONDS = 120


@pytest.fixture(scope="module", params=SANITISERS)
def runner(request: pytest.FixtureRequest) -> Path:
    return compile_sanitised(sender_recipe(), Path(__file__).with_name("runner.cpp"), request.param)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["messages", "frames"])
def test_every_request_ends_whatever_the_server_sends(runner: Path, kind: str, seed: int) -> None:
    with serving("tests.integration.tandem.measure.generator.sending.h2_server", kind, str(seed)) as server:
        port = server.address.partition(":")[2]
        ended = subprocess.run([runner, port, str(COUNT)], capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert (ended.returncode, ended.stderr) == (0, "")
    said, number = ended.stdout.split(" ")
    assert said == "whole"
    assert 0 < int(number) < COUNT
