"""`tandem bench compare` as a process against fakes: what it counts, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tandem.ar.v1 import ar_pb2
from tandem.measure import formats
from tandem.measure.report.prose import tables
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.files import read_as
from tandem.shared.errors import ResourceExhausted
from tests.integration.tandem.cli.commands import Ended, assert_all_went_well, run, tandem
from tests.integration.tandem.fakes import FakeGateway, FakeSequential, fake_gateway
from tests.integration.tandem.measure.generator.servers import serving

SHORT = ("--callers", "3", "--rounds", "2", "--trial", "0.2", "--quality-images", "0", "--no-control")


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with fake_gateway() as running:
        yield running


async def compare(gateway: FakeGateway, *words: str) -> Ended:
    return await run(*tandem("bench", "compare", *SHORT, *words, "--address", gateway.address))


async def test_every_mode_is_measured_alone_and_under_load(gateway: FakeGateway, tmp_path: Path) -> None:
    file = tmp_path / "new" / "comparison.json"
    ended = await compare(gateway, "--json", str(file))
    document = json.loads(file.read_text())
    assert_all_went_well(ended, document)
    assert (document["is_partial"], document["class_names"]) == (False, ["sneaker", "bag", "coat"])
    # Each of two loads twice in each of four modes.
    assert document["audits"]["num_runs"] == 2 * 2 * 4
    for mode in document["modes"]:
        assert [point["concurrency"] for point in mode["curve"]] == [1, 3]
        assert [point["figures"]["images_per_second"]["count"] for point in mode["curve"]] == [2, 2]
        assert mode["codes"] == {"OK": sum(point["num_images"] for point in mode["curve"])}
    served = {each["paradigm"]: each["num_images"] for each in document["served"]}
    for paradigm, number in served.items():
        assert number == sum(mode["codes"]["OK"] for mode in document["modes"] if mode["paradigm"] == paradigm)
    for part in (
        "fake-image",
        "fake-gan",
        "1 caller: images/s",
        "whole image",
        "computed in",
        "3 callers: images/s",
        "images/s, p99 within",
        "250 ms",
    ):
        assert part in ended.out
    assert "not measured: it was not asked for" in " ".join(ended.out.split())
    assert f"audited itself in each of {document['audits']['num_runs']} runs" in " ".join(ended.out.split())


async def test_no_request_is_sent_twice_and_markdown_is_for_a_readme(gateway: FakeGateway) -> None:
    ended = await compare(gateway, "--markdown")
    assert {request.class_label for request in gateway.sequential.requests} == {0, 1, 2}
    assert len({request.sampling.seed for request in gateway.sequential.requests}) == len(gateway.sequential.requests)
    lines = [line for line in ended.out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3 + 2 * 6
    assert "sequential, streamed" in lines[0]


async def test_a_model_that_fails_under_load_alone_is_told(gateway: FakeGateway, tmp_path: Path) -> None:
    refuse_once_two_ask_at_a_time(gateway.sequential)
    file = tmp_path / "comparison.json"
    ended = await compare(gateway, "--json", str(file))
    assert ended.code == 1
    assert "none of" in ended.err
    assert json.loads(file.read_text())["is_partial"]


def refuse_once_two_ask_at_a_time(fake: FakeSequential) -> None:
    """Let all requests fail from the first moment at which two unary ones are under way."""
    generate = fake.generate
    under_way = 0

    async def counted(request: ar_pb2.GenerateRequest, call: Any) -> AsyncIterator[ar_pb2.GenerateResponse]:
        nonlocal under_way
        under_way += 1
        if under_way > 1:
            fake.error = ResourceExhausted("queue", 1, 0.1)
        try:
            await asyncio.sleep(0.005)
            async for message in generate(request, call):
                yield message
        finally:
            under_way -= 1

    fake.generate = counted  # type: ignore[method-assign]


@pytest.mark.parametrize("command", [("race", "--rounds", "2"), ("bench", "compare", *SHORT)])
async def test_different_work_is_measured_each_for_itself(
    gateway: FakeGateway, tmp_path: Path, command: Sequence[str]
) -> None:
    file = tmp_path / "comparison.json"
    words = ("--sequential-model", "fake-text", "--json", str(file), "--address", gateway.address)
    ended = await run(*tandem(*command, *words))
    document = json.loads(file.read_text())
    assert_all_went_well(ended, document)
    assert (document["is_matched"], document["class_names"], document["controls"]) == (False, [], [])
    assert {request.sampling.max_tokens for request in gateway.sequential.requests} == {64}
    assert document["work"]["sequential"] == {"name": "a text of 64 tokens", "unit": "token", "num_outputs": 64}
    assert document["work"]["parallel"]["name"] == "an image of 4x4 of a class"
    assert document["judgement"]["reason"] == "unmatched work: a text of 64 tokens and an image of 4x4 of a class"
    # No paradigm is held against the other.
    assert document["contrasts"]
    assert all(each["first"].split()[0] == each["second"].split()[0] for each in document["contrasts"])
    told = " ".join(ended.out.split())
    assert "this is what each costs, not which is better" in told
    assert "docs/your-own-pair.md" in told
    assert "requests/s" in told
    assert "better by" not in told
    # A text of so many tokens brings so many outputs a second.
    by_name = {mode["name"]: mode["curve"][0]["figures"]["images_per_second"]["value"] for mode in document["modes"]}
    (_, *rows) = tables("comparison.different_work", read_as(file, Comparison))[0].rows
    assert str(rows[1].cells[1]).startswith(f"{formats.number(64 * by_name['sequential unary'])} tokens")
    assert str(rows[1].cells[2]).startswith(f"{formats.number(by_name['parallel unary'])} images")


async def test_what_stands_beside_the_pair_is_in_the_same_rounds(gateway: FakeGateway, tmp_path: Path) -> None:
    """The unary modes once more, the same pair in one precision, and a foreign server."""
    file = tmp_path / "comparison.json"
    known = serving("tests.integration.tandem.measure.generator.known_http", '{"first": 0.01}')
    async with fake_gateway() as other:
        with known as server:
            words = ("--control", "--beside", other.address, "--foreign-openai", f"http://{server.address}")
            ended = await compare(gateway, *words, "--json", str(file))
        assert other.sequential.requests
    document = json.loads(file.read_text())
    assert_all_went_well(ended, document)
    pairs = {(each["first"], each["second"], each["concurrency"]) for each in document["controls"]}
    unary = ("sequential unary", "parallel unary")
    assert pairs == {(mode, f"{mode}, again", number) for mode in unary for number in (1, 3)}
    assert len(document["modes"]) == 4
    twins = [f"{name}, both in float32" for name in unary]
    assert [mode["name"] for mode in document["beside"]["modes"]] == twins
    assert {each["concurrency"] for each in document["beside"]["contrasts"]} == {1, 3}
    served = {each["paradigm"]: each["num_images"] for each in document["served"]}
    assert served["parallel"] == sum(m["codes"]["OK"] for m in document["modes"] if m["paradigm"] == "parallel")
    foreign = document["foreign"]
    assert (foreign["models"][0]["name"], foreign["num_tokens"]) == ("known", 4)
    assert [mode["name"] for mode in foreign["modes"]] == ["foreign streamed", "foreign unary"]
    for mode in foreign["modes"]:
        assert [point["figures"]["images_per_second"]["count"] for point in mode["curve"]] == [2, 2]
        assert not any("cpu_seconds_per_image" in point["figures"] for point in mode["curve"])
        assert mode["curve"][0]["phases"] is None
    pairs = {(each["first"], each["second"], each["concurrency"]) for each in foreign["contrasts"]}
    assert {("foreign unary", "sequential unary", 1), ("foreign streamed", "sequential streamed", 3)} <= pairs
    told = " ".join(ended.out.split())
    for text in (
        "Control: two series of the same unary call differ by up to",
        "both in float32",
        "1 caller: first token",
        "is asked for text, not for images",
    ):
        assert text in told
