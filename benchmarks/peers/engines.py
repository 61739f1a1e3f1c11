"""The text engines that are measured beside each other: set-up, a command that serves each, and how it is asked.

Prompts are token ids, decoding is greedy, and the end token does not end an output: all engines do the same work. Peers
find the weights in one GGUF file, and in what is made of it.
"""

import json
import sys
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from benchmarks.harness.processes import free_port, is_serving
from benchmarks.peers import llama_cpp_server
from benchmarks.peers.installing import CannotSetUp, environment
from benchmarks.peers.weights import IK_LLAMA, quantise, quantised
from tandem.ar.v1 import ar_pb2

_HEALTH_SECONDS = 2.0


@dataclass(frozen=True)
class Need:
    """What a server must hold for a workload. `num_context_tokens`: prompt and output of one sequence."""

    num_sequences: int
    num_context_tokens: int


@dataclass(frozen=True)
class Dialect:
    """How an engine is asked by the tester's `api`, and which tokens its messages name.

    `request` serialises a prompt and how many tokens are to follow; `tokens` has the messages of a reply.
    """

    api: Literal["tandem", "openai"]
    model: str
    request: Callable[[list[int], int], bytes]
    tokens: Callable[[Sequence[bytes]], list[int]]


def is_healthy(port: int) -> bool:
    """Return whether GET /health is answered with 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=_HEALTH_SECONDS) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@dataclass(frozen=True)
class Engine:
    """One engine with one kind of weights; `name` as tables show it.

    `set_up` installs what is missing, returns the versions of what is used, and raises CannotSetUp. `command` starts a
    server on 127.0.0.1:port, and `is_ready` says whether it answers and is warm.
    """

    name: str
    dialect: Dialect
    set_up: Callable[[], dict[str, str]]
    command: Callable[[Need, int], tuple[str, ...]]
    is_ready: Callable[[int], bool] = is_healthy
    is_ours: bool = False


def _request(prompt: list[int], num_tokens: int) -> bytes:
    body = {"model": "model", "prompt": prompt, "max_tokens": num_tokens, "temperature": 0, "ignore_eos": True}
    options = {"stream": True, "stream_options": {"include_usage": True}, "return_token_ids": True}
    return json.dumps({**body, **options}).encode()


def _tokens(messages: Sequence[bytes]) -> list[int]:
    events = [json.loads(message) for message in messages if message.startswith(b"{")]
    return [token for event in events for choice in event["choices"] for token in choice.get("token_ids") or ()]


COMPLETIONS = Dialect("openai", "model", _request, _tokens)
"""OpenAI's, with vLLM's `return_token_ids` and `ignore_eos`."""


def tandem(model: str, dtype: str) -> Engine:
    """Return ours: the sequential backend's own process, asked over gRPC; one server for all needs."""

    def request(prompt: list[int], num_tokens: int) -> bytes:
        sampling = ar_pb2.SamplingParams(temperature=0.0, max_tokens=num_tokens, ignore_eos=True, speculative_tokens=0)
        tokens = ar_pb2.TokenPrompt(ids=prompt)
        return ar_pb2.GenerateRequest(model=model, tokens=tokens, sampling=sampling).SerializeToString()

    def tokens(messages: Sequence[bytes]) -> list[int]:
        return [token for message in messages for token in ar_pb2.GenerateResponse.FromString(message).token_ids]

    def set_up() -> dict[str, str]:
        return {name: version(name) for name in ("tandem-serving", "torch", "grpcio")}

    def command(need: Need, port: int) -> tuple[str, ...]:
        ports = ("--port", str(port), "--metrics-port", str(free_port() if port else 0))
        return (sys.executable, "-m", "services.ar", *ports, "--models", model, "--dtype", dtype, "--no-prefix-cache")

    return Engine(f"Tandem {dtype}", Dialect("tandem", model, request, tokens), set_up, command, is_serving, True)


def vllm(weights: Path, folder: Path) -> Engine:
    """Return vLLM in bfloat16, where this environment has it: a GGUF file is unpacked into `folder`."""
    source = folder if weights.is_file() else weights

    def set_up() -> dict[str, str]:
        if find_spec("vllm") is None:
            raise CannotSetUp("vLLM is not installed in this environment")
        if weights.is_file():
            from benchmarks.side_by_side.output_check import load_dense, tokenizer_of

            load_dense(weights, "bfloat16").save_pretrained(folder)
            tokenizer_of(weights).save(str(folder / "tokenizer.json"))
        return {"vllm": version("vllm")}

    def command(need: Need, port: int) -> tuple[str, ...]:
        model = ("--model", str(source), "--served-model-name", COMPLETIONS.model, "--dtype", "bfloat16")
        sizes = ("--max-num-seqs", str(need.num_sequences), "--max-model-len", str(need.num_context_tokens))
        server = ("-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port))
        return (sys.executable, *server, *model, *sizes, "--no-enable-prefix-caching")

    return Engine("vLLM bfloat16", COMPLETIONS, set_up, command)


def _slots(need: Need) -> tuple[str, ...]:
    """Return flags of a server for each need, with as many slots as there are requests at a time, as it is fastest."""
    return ("--slots", str(need.num_sequences), "--slot-tokens", str(need.num_context_tokens))


@dataclass(frozen=True)
class _Library:
    """A library that the module `{server}_server` here serves over HTTP, and the packages that it needs of its own."""

    server: str
    packages: list[str]
    flags: Callable[[Need], tuple[str, ...]] = _slots

    def engine(self, name: str, precision: str, folder: Path) -> Engine:
        """Return the engine on weights of a precision. llama.cpp's library is loaded in our environment."""
        weights = ("-m", f"benchmarks.peers.{self.server}_server", "--weights", str(quantised(folder, precision)))
        words = [str(folder / self.server / "venv/bin/python"), *weights]
        if self == _LLAMA:
            words = [sys.executable, *weights, "--library", str(llama_cpp_server.libraries(folder))]

        def set_up() -> dict[str, str]:
            quantise(folder, precision)
            if self == _LLAMA:
                llama_cpp_server.install(folder)
            else:
                environment(folder / self.server, self.packages)
            return {self.server: self.packages[0]}

        return Engine(name, COMPLETIONS, set_up, lambda need, port: (*words, "--port", str(port), *self.flags(need)))


_LLAMA = _Library("llama_cpp", [f"{llama_cpp_server.RELEASE}, from {llama_cpp_server.PACKAGE}"])
_IK = _Library("ik_llama", IK_LLAMA)  # a fork that is known for its speed on CPUs
_OPENVINO = _Library("openvino", ["openvino-genai==2026.4.1.0", "aiohttp>=3.12"], lambda need: ())
PEERS: dict[str, Callable[[Path], Engine]] = {
    "llama-q8_0": partial(_LLAMA.engine, "llama.cpp Q8_0", "Q8_0"),
    "llama-q4_0": partial(_LLAMA.engine, "llama.cpp Q4_0", "Q4_0"),
    "ik-q4_0": partial(_IK.engine, "ik_llama.cpp Q4_0 (AVX2 wheel)", "Q4_0"),
    "openvino": partial(_OPENVINO.engine, "OpenVINO int8", "Q8_0"),
    "openvino-q4_0": partial(_OPENVINO.engine, "OpenVINO from Q4_0", "Q4_0"),
}
"""The libraries on 4 and 8 bits that were fastest at something, and llama.cpp on both; each lives under a folder."""
