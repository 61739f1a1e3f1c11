"""What README and docs say to type, typed: the commands that ask a server, against fakes.

Left out are those that start servers or measure for long (up, demo, collapse, bench, race: they have tests of their
own, and tests/contract/test_docs.py checks that each exists with its options), those with a placeholder, and make,
docker and kubectl.
"""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from tandem.cli.main import app
from tests.contract.pages import GUIDES, typed, words_of
from tests.integration.tandem.fakes import FakeGateway

USED = ("generate", "sample", "score")
PLACEHOLDERS = {"FILE", "HOST:50050", "NAME"}
# Of the digits, which the fakes do not draw.
OTHER_CLASSES = {"seven": "sneaker", "one": "coat"}
FILES = {
    "person.json": '{"type": "object", "properties": {"name": {"type": "string"}}}',
    "sum.lark": "start: /[0-9]/",
}


def typed_at_a_server() -> list[str]:
    """Return the commands, each once."""
    found = {tuple(words_of(text)) for page in GUIDES for text in typed(page)}
    return sorted(
        shlex.join(words[1:])
        for words in found
        if words[:1] == ("tandem",) and words[1:2] and words[1] in USED and not PLACEHOLDERS & set(words)
    )


def put_files(folder: Path) -> None:
    """Write what the commands read."""
    for name, content in FILES.items():
        (folder / name).write_text(content)
    Image.new("L", (4, 4), 9).save(folder / "seven.png")


@pytest.mark.parametrize("text", typed_at_a_server())
async def test_a_command_of_the_pages_runs(
    gateway: FakeGateway, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = [OTHER_CLASSES.get(word, word) for word in shlex.split(text)]
    ended = await asyncio.to_thread(CliRunner().invoke, app, words, env={"TANDEM_ADDRESS": gateway.address})
    assert ended.exit_code == 0, ended.output
    assert ended.stdout
