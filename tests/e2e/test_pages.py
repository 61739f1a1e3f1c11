"""Every code block of README and docs does what the page says, against `tandem up` with the models that it serves.

The blocks of a page run one after another in a folder of their own, as a reader would type them; only addresses and
what stands for the reader's own differ (`IN_TESTS`). Its Python blocks go on where the one before ended.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import yaml

from tandem.cli.models.weights import is_to_be_pulled
from tandem.cli.servers.plan import Ports
from tandem.cli.servers.ports import free_ports
from tandem.shared.models import ModelRepository
from tests.contract.pages import ROOT
from tests.e2e.page_blocks import ALL, IN_TESTS, NOT_RUN, PRINTS, READY, RUN, UP, Block, named
from tests.npm import OPENAI, install

LIMIT_SECONDS = 200  # a guard against hanging
JAVASCRIPT = "javascript"
PROGRAMS = Path(sys.executable).parent
TEXT = ModelRepository(ROOT / "models").get("smollm2-135m-instruct")
pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(is_to_be_pulled(TEXT), reason="the language model has not been pulled"),
]


class Product:
    """Where `tandem up` serves; `folder` holds its sockets."""

    def __init__(self, ports: Ports, folder: Path) -> None:
        self.address, self.web = f"127.0.0.1:{ports.port}", f"127.0.0.1:{ports.http_port}"
        self._folder = folder

    def here(self, text: str) -> str:
        """Return a block with the addresses of this product, and with free ports for what it starts itself."""
        told = IN_TESTS | {
            "/path/to/the/file.gguf": str(TEXT.transformer_path()),
            "ls /tmp/": f"ls {self._folder}/",
            "tandem up": f"tandem up {port_options(free_ports_of_up())}",
            "127.0.0.1:9090": f"127.0.0.1:{free_ports(1)[0]}",
            **dict.fromkeys(("HOST:PORT", "HOST:8001", "localhost:50050"), self.address),
            **dict.fromkeys(("HOST:8000", "HOST:8080", "localhost:8080"), self.web),
        }
        for words, instead in told.items():
            text = text.replace(words, instead)
        return text


def free_ports_of_up() -> Ports:
    return Ports(*free_ports(len(fields(Ports))))


def port_options(ports: Ports) -> str:
    return " ".join(f"--{name.replace('_', '-')}={port}" for name, port in asdict(ports).items())


@contextlib.contextmanager
def started(command: list[str], folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start a program with one pipe for all that it prints; at the end it is stopped with all that it has started."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TANDEM_", "FORCE_"))}
    variables |= {"COLUMNS": "100", "PYTHONPATH": str(ROOT), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=folder, env=kept | variables, start_new_session=True, **pipe) as process:
        try:
            yield process
        finally:
            stop(process)


@contextlib.contextmanager
def killed_after(seconds: float, process: subprocess.Popen[str]) -> Iterator[None]:
    guard = threading.Timer(seconds, os.killpg, (process.pid, signal.SIGKILL))
    guard.start()
    try:
        yield
    finally:
        guard.cancel()


def stop(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    ports = free_ports_of_up()
    # Not pytest's own folder: the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pages-") as name:
        folder = Path(name)
        (folder / "models").symlink_to(ROOT / "models")
        with started(["tandem", "up", *port_options(ports).split()], folder, TMPDIR=name) as process:
            printed = ""
            while not re.search(UP, printed):
                line = process.stdout.readline()
                assert line, printed
                printed += line
            yield Product(ports, folder)


@pytest.mark.parametrize("page", dict.fromkeys(block.page for block in RUN if block.language != JAVASCRIPT))
def test_the_blocks_of_a_page_do_what_it_says(product: Product, page: str, tmp_path: Path) -> None:
    put_files(tmp_path)
    earlier = ""
    for block in RUN:
        if block.page != page or block.language == JAVASCRIPT:
            continue
        text = product.here(block.text)
        if block.is_data:
            read_data(block, text, tmp_path)
            continue
        check_output(block, text, earlier, product, tmp_path)
        if block.language == "python":
            earlier += f"{text}\n"


@pytest.mark.parametrize(
    "block", [block for block in RUN if block.language == JAVASCRIPT], ids=lambda block: block.place
)
def test_javascript(product: Product, block: Block, tmp_path: Path) -> None:
    install(tmp_path, OPENAI)
    check_output(block, product.here(block.text), "", product, tmp_path)


def put_files(folder: Path) -> None:
    """Write what the blocks read of the reader's own."""
    for name in ("models", "deploy"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "person.json").write_text(
        '{"type": "object", "properties": {"name": {"const": "Ada"}}, "additionalProperties": false}'
    )
    (folder / "request.json").write_text("{}")
    row = '{"timestamp": %d, "input_length": 20, "output_length": 4, "hash_ids": [1]}\n'
    (folder / "mooncake.jsonl").write_text("".join(row % (100 * number) for number in range(10)))


def read_data(block: Block, text: str, folder: Path) -> None:
    """Read a block of TOML or YAML, and write it where its first line says, for the blocks that follow."""
    assert tomllib.loads(text) if block.language == "toml" else yaml.safe_load(text)
    if path := re.match(r"# (my-models/\S+\.toml)\b", text):
        (folder / path[1]).parent.mkdir(parents=True, exist_ok=True)
        (folder / path[1]).write_text(text)


def check_output(block: Block, text: str, earlier: str, product: Product, folder: Path) -> None:
    printed = output_of(block, text, earlier, product, folder)
    (name,) = named(block, PRINTS)
    for expected in PRINTS[name]:
        assert re.search(expected, printed), f"{block.place} does not print {expected!r} but:\n{printed}"


def output_of(block: Block, text: str, earlier: str, product: Product, folder: Path) -> str:
    """Return what a block prints; it must end well, or be a server, which is then stopped."""
    match block.language:
        case "python":
            command = [sys.executable, "-c", f"{earlier}print('\\f', flush=True)\n{text}"]
        case "javascript":
            (folder / "block.mjs").write_text(text)
            command = ["node", "block.mjs"]
        case _:
            command = ["bash", "-e", "-c", typed(text)]
    printed, is_server = "", False
    with started(command, folder, TANDEM_ADDRESS=product.address) as process, killed_after(LIMIT_SECONDS, process):
        for line in process.stdout:
            printed += line
            if re.search(f"{UP}|{READY}", line):
                is_server = True
                stop(process)
        assert process.wait() == 0 or is_server, f"{block.place} ends with {process.returncode}:\n{printed}"
    return printed.rpartition("\f")[2]


def typed(text: str) -> str:
    """Return what is typed of a block; one that shows output has a prompt before each command."""
    commands = re.findall(r"^\$ (.*(?:\\\n.*)*)", text, re.MULTILINE)
    return "\n".join(commands) or text


def test_each_block_is_run_or_has_a_reason() -> None:
    blocks = [block for block in ALL if not block.is_data]
    names = [named(block, PRINTS | NOT_RUN) for block in blocks]
    assert {block.place: found for block, found in zip(blocks, names, strict=True) if len(found) != 1} == {}
    assert sorted(name for found in names for name in found) == sorted(PRINTS | NOT_RUN)
