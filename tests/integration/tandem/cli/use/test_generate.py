"""`tandem generate` as a process against a fake gateway: output, exit codes, and what a pipe sees."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from PIL import Image

from tandem.ar.v1 import ar_pb2
from tests.integration.tandem.cli.commands import run, run_each, started, tandem, without_control_characters
from tests.integration.tandem.fakes import FakeGateway


async def test_generate_writes_text_to_stdout_and_timings_to_stderr(gateway: FakeGateway) -> None:
    ended = await run(*tandem("generate", "Hi", "--system", "Be short.", "--address", gateway.address))
    assert (ended.code, ended.out) == (0, "Hello wörld!\n")
    for part in ("4 tokens", "first token", "tokens/s", "seed"):
        assert part in ended.err
    assert "prefill" not in ended.err
    assert without_control_characters(ended.err)
    roles = [message.role for message in gateway.sequential.requests[0].chat.messages]
    assert roles == ["system", "user"]


async def test_generate_says_how_many_tokens_were_tried_ahead(gateway: FakeGateway) -> None:
    words = ("generate", "Hi", "--address", gateway.address)
    without, with_drafts = await run_each((*words, "--speculative-tokens", "0"), (*words, "--speculative-tokens", "5"))
    assert "ahead" not in without.err
    assert "3 of 5 tokens tried ahead held" in with_drafts.err
    refused = await run(*tandem(*words, "--speculative-tokens", "65"))
    assert refused.code == 2
    asked = sorted(request.sampling.speculative_tokens for request in gateway.sequential.requests)
    assert asked == [0, 5]


async def test_generate_writes_several_texts_one_after_another(gateway: FakeGateway) -> None:
    ended = await run(*tandem("generate", "Hi", "--n", "2", "--address", gateway.address))
    assert (ended.code, ended.out) == (0, "Hello wörld!\nHello wörld!\n")
    assert "1.\n2.\n" in ended.err


async def test_generate_logprobs_has_a_line_a_token(gateway: FakeGateway) -> None:
    ended = await run(*tandem("generate", "Hi", "--logprobs", "--max-tokens", "2", "--address", gateway.address))
    first, second = ended.out.splitlines()
    assert "60.65%" in first
    assert "'Hello'" in first
    assert "'other0' 36.79%" in first
    assert "' wör'" in second
    assert without_control_characters(ended.out)


async def test_generate_holds_the_text_to_a_constraint_and_reads_standard_input(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_text('{"type": "null"}')
    file = str(tmp_path / "schema.json")
    options: list[tuple[list[str], str, object]] = [
        (["--json-schema", file], "json_schema", '{"type": "null"}'),
        (["--json-object"], "json_object", True),
        (["--regex", "a+"], "regex", "a+"),
        (["--lark", file], "lark", '{"type": "null"}'),
        (["--choice", "a", "--choice", "b"], "choice", ar_pb2.TextChoice(texts=["a", "b"])),
    ]
    each = await run_each(*(["generate", "Hi", *words, "--address", gateway.address] for words, _, _ in options))
    assert [ended.code for ended in each] == [0] * len(options)
    for request, (_, kind, value) in zip(gateway.sequential.requests, options, strict=True):
        assert request.sampling.WhichOneof("constraint") == kind
        assert getattr(request.sampling, kind) == value
    ended = await run(*tandem("generate", "-", "--raw", "--address", gateway.address), stdin="Once upon")
    assert (ended.code, gateway.sequential.requests[-1].text) == (0, "Once upon")


async def test_generate_ends_with_130_on_ctrl_c_and_cancels(gateway: FakeGateway) -> None:
    gateway.sequential.hold.clear()
    async with asyncio.timeout(60), started(*tandem("generate", "Hi", "--address", gateway.address)) as process:
        assert process.stdout is not None
        assert await process.stdout.read(5) == b"Hello"
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        await gateway.sequential.cancelled.wait()
        assert process.stderr is not None
        assert b"Traceback" not in await process.stderr.read()


async def test_generate_draws_the_class_that_is_named(gateway: FakeGateway, tmp_path: Path) -> None:
    file = tmp_path / "new" / "picture.png"
    words = ("generate", "--label", "Bag", "--seed", "3", "--partial", "-v", "--out", str(file))
    ended = await run(*tandem(*words, "--address", gateway.address))
    assert (ended.code, ended.out) == (0, f"{file}\n")
    for part in ("4 tokens", "first token", "decode 20 ms", "encode", "seed 7"):
        assert part in ended.err
    (request,) = gateway.sequential.requests
    assert (request.model, request.class_label, request.partial_images) == ("", 1, True)
    assert request.sampling.seed == 3
    with Image.open(file) as picture:
        assert (picture.size, picture.getpixel((0, 0))) == ((4, 4), 4)


async def test_generate_draws_several(gateway: FakeGateway, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    words = ("generate", "--label", "2", "--n", "3", "--max-tokens", "2", "--logprobs", "--out", str(file))
    ended = await run(*tandem(*words, "--address", gateway.address))
    assert ended.code == 0, ended.err
    assert len(ended.out.splitlines()) == 6 + 1
    with Image.open(file) as picture:
        assert picture.size == (10, 10)
    assert not gateway.sequential.requests[0].partial_images


async def test_generate_names_the_classes_and_models_there_are(gateway: FakeGateway) -> None:
    cases = (
        ("hat", 2, "there is no class 'hat'; there are: sneaker, bag, coat"),
        ("bag --model fake-text", 2, "there is no class 'bag'; there are: none by name"),
        ("bag --model fake", 1, "there is no 'fake'; there are: fake-text, fake-image"),
    )
    commands = (["generate", "--label", *words.split(), "--address", gateway.address] for words, _, _ in cases)
    for ended, (_, code, text) in zip(await run_each(*commands), cases, strict=True):
        assert ended.code == code
        assert text in " ".join(ended.err.split())
