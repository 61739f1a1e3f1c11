"""`tandem generate` as a process against a fake gateway: output, exit codes, and what a pipe sees."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import pytest
from PIL import Image

from tandem.ar.v1 import ar_pb2
from tests.integration.tandem.cli.commands import run, started, tandem, without_control_characters
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


async def test_a_model_without_a_chat_template_continues_the_prompt(gateway: FakeGateway) -> None:
    gateway.sequential.has_chat_template = False
    ended = await run(*tandem("generate", "Once upon", "--address", gateway.address))
    assert (ended.code, ended.out) == (0, "Hello wörld!\n")
    ended = await run(*tandem("generate", "Hi", "--system", "Be short.", "--address", gateway.address))
    assert (ended.code, ended.out) == (2, "")
    assert "this model has no chat template" in ended.err


async def test_generate_verbose_says_all_about_the_time(gateway: FakeGateway) -> None:
    ended = await run(*tandem("generate", "Hi", "-v", "--address", gateway.address))
    for part in ("queue", "prefill 10 ms", "decode 20 ms", "ended by"):
        assert part in ended.err


async def test_generate_writes_several_texts_one_after_another(gateway: FakeGateway) -> None:
    ended = await run(*tandem("generate", "Hi", "--n", "2", "--address", gateway.address))
    assert (ended.code, ended.out) == (0, "Hello wörld!\nHello wörld!\n")
    assert "1.\n2.\n" in ended.err


@pytest.mark.parametrize("option", [("--out", "a.png"), ("--partial",)])
async def test_what_is_for_images_is_refused_for_texts(gateway: FakeGateway, option: tuple[str, ...]) -> None:
    ended = await run(*tandem("generate", "Hi", *option, "--address", gateway.address))
    assert ended.code == 2
    assert f"{option[0]}: this is for images: give --label" in ended.err
    assert gateway.sequential.requests == []


async def test_generate_raw_reads_standard_input(gateway: FakeGateway) -> None:
    ended = await run(*tandem("generate", "-", "--raw", "--address", gateway.address), stdin="Once upon")
    assert ended.code == 0
    assert gateway.sequential.requests[0].text == "Once upon"


async def test_generate_logprobs_has_a_line_a_token(gateway: FakeGateway) -> None:
    ended = await run(*tandem("generate", "Hi", "--logprobs", "--max-tokens", "2", "--address", gateway.address))
    first, second = ended.out.splitlines()
    assert "60.65%" in first
    assert "'Hello'" in first
    assert "'other0' 36.79%" in first
    assert "' wör'" in second
    assert without_control_characters(ended.out)


@pytest.mark.parametrize(
    ("words", "kind", "value"),
    [
        (("--json-schema", "schema.json"), "json_schema", '{"type": "null"}'),
        (("--json-object",), "json_object", True),
        (("--regex", "a+"), "regex", "a+"),
        (("--lark", "schema.json"), "lark", '{"type": "null"}'),
        (("--choice", "a", "--choice", "b"), "choice", ar_pb2.TextChoice(texts=["a", "b"])),
    ],
)
async def test_generate_holds_the_text_to_a_constraint(
    gateway: FakeGateway, tmp_path: Path, words: tuple[str, ...], kind: str, value: object
) -> None:
    (tmp_path / "schema.json").write_text('{"type": "null"}')
    words = tuple(str(tmp_path / word) if word == "schema.json" else word for word in words)
    assert (await run(*tandem("generate", "Hi", *words, "--address", gateway.address))).code == 0
    sampling = gateway.sequential.requests[0].sampling
    assert sampling.WhichOneof("constraint") == kind
    assert getattr(sampling, kind) == value


async def test_generate_takes_one_constraint(gateway: FakeGateway) -> None:
    ended = await run(*tandem("generate", "Hi", "--regex", "a", "--choice", "b", "--address", gateway.address))
    assert ended.code != 0
    assert "regex and choice: give one of them" in ended.err


async def test_generate_ends_with_130_on_ctrl_c_and_cancels(gateway: FakeGateway) -> None:
    gateway.sequential.hold.clear()
    async with asyncio.timeout(60), started(*tandem("generate", "Hi", "--address", gateway.address)) as process:
        assert process.stdout is not None
        assert await process.stdout.read(5) == b"Hello"
        while process.returncode is None:  # once, in a run of thousands of tests, one Ctrl-C was not enough
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10)
        assert process.returncode == 130
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
    for words, code, told in (
        ("hat", 2, "there is no class 'hat'; there are: sneaker, bag, coat"),
        ("bag --model fake-text", 2, "there is no class 'bag'; there are: none by name"),
        ("bag --model fake", 1, "there is no 'fake'; there are: fake-text, fake-image"),
    ):
        ended = await run(*tandem("generate", "--label", *words.split(), "--address", gateway.address))
        assert ended.code == code
        assert told in " ".join(ended.err.split())
