"""docs/structured-output.md: its commands, its Python and its JSON do what the page says, on a tiny random model."""

import json
import os
import re
import sys
from pathlib import Path

from google.protobuf import json_format

from tandem.ar.v1 import ar_pb2
from tests.integration.tandem.cli.commands import run

PAGE = Path("docs/structured-output.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


async def printed(address: str, folder: Path, *command: str) -> list[str]:
    """Run a program with the page's address, and return the lines of its output."""
    variables = {"TANDEM_ADDRESS": address, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ended = await run(*command, folder=folder, variables=variables)
    assert ended.code == 0, ended.err
    return ended.out.splitlines()


async def test_the_commands(backend, tmp_path):
    person, phone, salty, total, *_ = await printed(backend.address, tmp_path, "bash", "-ec", block("sh"))
    assert json.loads(person).keys() == {"name", "age"}
    assert re.fullmatch(r"031 [0-9]{3} [0-9]{2} [0-9]{2}", phone)
    assert salty in ("yes", "no")
    assert re.fullmatch(r"[0-9]([+-][0-9]){1,4}", total)


async def test_the_python(backend, tmp_path):
    code = block("python").replace("TandemClient()", f"TandemClient({backend.address!r})")
    answer, pair = await printed(backend.address, tmp_path, sys.executable, "-c", code)
    assert answer in ("yes", "no")
    assert set(json.loads(pair)) <= {0, 1}


async def test_the_json(backend):
    request = json_format.Parse(block("json"), ar_pb2.GenerateRequest())
    reply = await backend.stub.Complete(ar_pb2.CompleteRequest(generate=request))
    assert reply.choices[0].text_delta in ("yes", "no")
