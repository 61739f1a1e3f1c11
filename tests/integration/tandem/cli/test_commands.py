"""Each command as a process against a fake gateway: output, exit codes, and what a pipe sees."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from tandem.cli.servers.ports import free_ports
from tandem.cli.use.image_file import save_image
from tandem.shared.errors import ExpectedError, InvalidArgument, ResourceExhausted
from tests.integration.tandem.cli.commands import run, run_each, tandem
from tests.integration.tandem.fakes import FakeGateway


async def test_the_environment_names_the_gateway_of_commands_and_clients(gateway: FakeGateway) -> None:
    variables = {"TANDEM_ADDRESS": gateway.address}
    assert (await run(*tandem("generate", "Hi"), variables=variables)).code == 0
    ended = await run(sys.executable, "examples/stream_text.py", variables=variables)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("Hello wörld!")


async def test_an_example_without_a_server_says_so_in_one_line() -> None:
    (port,) = free_ports(1)
    for name in ("stream_text", "sample_images"):
        ended = await run(sys.executable, f"examples/{name}.py", variables={"TANDEM_ADDRESS": f"127.0.0.1:{port}"})
        assert ended.code == 1
        assert ended.err == f"UNAVAILABLE: nothing answers at 127.0.0.1:{port}\n"


async def test_no_gateway_is_said_in_one_line() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    for ended in await run_each(
        *([*words, "--address", address] for words in (["generate", "Hi"], ["sample"], ["score", "Hi"], ["race"]))
    ):
        assert ended.code == 1
        assert ended.err == f"error: no Tandem gateway at {address}; start one with `tandem up`\n"


async def test_the_server_s_refusal_is_shown(gateway: FakeGateway) -> None:
    gateway.sequential.error = InvalidArgument("sampling.top_p", 0.0, "above 0 to 1")
    ended = await run(*tandem("generate", "Hi", "--top-p", "0", "--address", gateway.address))
    assert (ended.code, ended.err) == (2, "error: --top-p: 0.0 is not accepted; accepted: above 0 to 1\n")


async def test_sample_writes_a_grid(gateway: FakeGateway, tmp_path: Path) -> None:
    file = tmp_path / "new" / "grid.png"
    words = ("sample", "--count", "4", "--label", "Bag", "--seed", "9", "--truncation", "0.5", "--out", str(file))
    ended = await run(*tandem(*words, "--address", gateway.address))
    assert (ended.code, ended.out) == (0, f"{file}\n")
    assert "4 images" in ended.err
    assert "compute 4 ms" in ended.err
    request = gateway.parallel.requests[0]
    assert (list(request.labels), request.seed, request.truncation) == ([1], 9, 0.5)
    with Image.open(file) as grid:
        assert (grid.size, grid.getpixel((0, 0)), grid.getpixel((9, 9))) == ((10, 10), 9, 12)


async def test_the_name_of_the_file_says_the_format(gateway: FakeGateway, tmp_path: Path) -> None:
    formats = {str(tmp_path / name): found for name, found in (("a.jpg", "JPEG"), ("a.webp", "WEBP"), ("A.PNG", "PNG"))}
    sample = ("sample", "--count", "1", "--address", gateway.address, "--out")
    for file, ended in zip(formats, await run_each(*((*sample, file) for file in formats)), strict=True):
        assert (ended.code, ended.out) == (0, f"{file}\n")
        assert "1 image in " in ended.err
        with Image.open(file) as picture:
            assert picture.format == formats[file]


async def test_a_file_that_cannot_be_written_is_refused_before_the_work(gateway: FakeGateway) -> None:
    texts = {"a.gif": "must end in one of .png", "/none/there/a.png": "there is no folder /none/there"}
    for command in (("sample",), ("generate", "--label", "1")):
        each = await run_each(*((*command, "--out", name, "--address", gateway.address) for name in texts))
        for text, ended in zip(texts.values(), each, strict=True):
            assert ended.code == 2, command
            assert text in " ".join(ended.err.split()), command
    assert gateway.parallel.requests == []
    assert gateway.sequential.requests == []


async def test_a_model_of_the_other_paradigm_is_sent_to_the_right_command(gateway: FakeGateway) -> None:
    ended = await run(*tandem("sample", "--model", "fake-text", "--address", gateway.address))
    expected = "error: fake-text is a sequential model; use `tandem generate --model fake-text`\n"
    assert (ended.code, ended.err) == (1, expected)


async def test_score_prints_the_figures(gateway: FakeGateway) -> None:
    ended = await run(*tandem("score", "ab", "--tokens", "--address", gateway.address))
    assert ended.code == 0
    assert "'b'" in ended.out
    assert "-1.5000 nats over 1 tokens" in ended.out
    assert "bits per token  2.0000" in ended.out
    assert "perplexity      4" in ended.out


async def test_score_of_several_tokens_a_step_behind_a_context(gateway: FakeGateway, tmp_path: Path) -> None:
    words = ("score", "--tokens-per-step", "4", "--context-tokens", "3", "--address", gateway.address)
    ended = await run(*tandem(*words, "ab"))
    assert (ended.code, "over 1 tokens (behind a context of 3)" in ended.out) == (0, True)
    [request] = gateway.sequential.scored
    assert (list(request.texts.texts), request.tokens_per_step, request.context_tokens) == (["ab"], 4, 3)
    gateway.sequential.error = InvalidArgument("context_tokens", 3, "0 to 1")
    refused = await run(*tandem(*words, "ab"))
    assert (refused.code, refused.err) == (2, "error: --context-tokens: 3 is not accepted; accepted: 0 to 1\n")
    picture = tmp_path / "picture.png"
    Image.new("L", (4, 4)).save(picture)
    refused = await run(*tandem(*words, "--image", str(picture), "--label", "coat"))
    assert (refused.code, "these are for texts" in refused.err) == (2, True)


async def test_score_of_a_picture(gateway: FakeGateway, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    Image.new("RGB", (4, 4), (9, 9, 9)).save(file)
    words = ("score", "--image", str(file), "--label", "coat", "--tokens")
    ended = await run(*tandem(*words, "--address", gateway.address))
    assert ended.code == 0, ended.err
    assert "#1" in ended.out
    assert "-1.5000 nats over 1 tokens (given the class)" in ended.out
    content = gateway.sequential.scored[0].images
    assert (list(content.images.shape), content.images.data, list(content.labels)) == ([1, 4, 4, 1], b"\x09" * 16, [2])


async def test_score_of_a_file_that_is_no_whole_picture(gateway: FakeGateway, tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.effect_noise((64, 64), 50.0).save(whole)
    huge = whole.read_bytes()[:33].replace(struct.pack(">II", 64, 64), struct.pack(">II", 60_000, 60_000))
    huge = huge[:29] + struct.pack(">I", zlib.crc32(huge[12:29])) + whole.read_bytes()[33:]
    commands = []
    for number, content in enumerate((whole.read_bytes()[:1000], b"no picture", huge)):
        part = tmp_path / f"part{number}.png"
        part.write_bytes(content)
        commands.append(["score", "--image", str(part), "--label", "coat", "--address", gateway.address])
    for ended in await run_each(*commands):
        assert ended.code == 2, ended.err
        assert "is no image file that can be read" in " ".join(ended.err.replace("│", " ").split())


def test_a_jpeg_of_an_image_with_transparency_is_refused_in_words(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 4))
    with pytest.raises(
        ExpectedError, match=r"a\.jpg: JPEG has no transparency, and these images have; accepted: \.png"
    ):
        save_image(image, tmp_path / "a.jpg")
    save_image(image, tmp_path / "a.webp")


async def test_race_fails_when_a_model_does(gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.sequential.error = ResourceExhausted("queue", 1, 0.1)
    file = tmp_path / "race.json"
    ended = await run(*tandem("race", "--json", str(file), "--address", gateway.address))
    assert ended.code == 1
    assert "PARTIAL" in ended.out
    assert "sequential unary, 1 caller: none of " in ended.err
    document = json.loads(file.read_text())
    assert document["is_partial"]


async def test_wrong_words_are_named() -> None:
    wrong: list[tuple[list[str], str]] = [
        (["genrate"], "Did you mean 'generate'"),
        (["generate", "Hi", "--temperature", "11"], "--temperature"),
        (["sample", "--count", "0"], "--count"),
        (["up", "--port", "70000"], "--port"),
        (["generate", "Hi", "--raw", "--system", "x"], "--system"),
        (["generate"], "PROMPT"),
        (["generate", "Hi", "--label", "bag"], "--label"),
        (["generate", "--label", "bag", "--raw"], "--label"),
        (["generate", "Hi", "--n", "0"], "--n"),
        (["generate", "Hi", "--out", "a.png"], "--out"),
        (["generate", "Hi", "--partial"], "--partial"),
        (["score"], "TEXT"),
        (["score", "Hi", "--label", "bag"], "--label"),
        (["score", "--image", "no/such/file.png"], "--image"),
    ]
    each = await run_each(*(words for words, _ in wrong))
    for (words, expected), ended in zip(wrong, each, strict=True):
        assert ended.code == 2, words
        assert expected in ended.err, words
