"""The sender under address, undefined-behaviour and thread sanitisers, before servers that follow no rules."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tandem.measure.generator.native.build import sender_recipe
from tandem.shared.compiled.compiler import CompilerFailed, find_compiler
from tests.integration.tandem.measure.generator.servers import serving

SANITISERS = {"address": "-fsanitize=address,undefined", "thread": "-fsanitize=thread"}
COUNT = 3000
LIMIT_SECONDS = 120


@pytest.fixture(scope="module", params=SANITISERS)
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runner") / "runner"
    recipe = sender_recipe()
    sources = [Path(__file__).with_name("runner.cpp"), *(recipe.sources / unit for unit in recipe.units)]
    flags = ["-std=c++20", "-O1", "-g1", "-pthread", SANITISERS[request.param], "-fno-sanitize-recover=all"]
    try:
        command = [find_compiler(), *flags, f"-I{recipe.sources}", *map(str, sources), "-o", str(made), "-lnghttp2"]
    except CompilerFailed as error:
        pytest.skip(str(error))
    compiled = subprocess.run(command, capture_output=True, text=True)
    if "nghttp2.h" in compiled.stderr:
        pytest.skip("no nghttp2/nghttp2.h (Debian: libnghttp2-dev)")
    assert compiled.returncode == 0, compiled.stderr
    return made


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["messages", "frames"])
def test_every_request_ends_whatever_the_server_sends(runner: Path, kind: str, seed: int) -> None:
    with serving("tests.integration.tandem.measure.generator.sending.hostile", kind, str(seed)) as server:
        port = server.address.partition(":")[2]
        ended = subprocess.run([runner, port, str(COUNT)], capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert (ended.returncode, ended.stderr) == (0, "")
    said, number = ended.stdout.split(" ")
    assert said == "whole"
    assert 0 < int(number) < COUNT
