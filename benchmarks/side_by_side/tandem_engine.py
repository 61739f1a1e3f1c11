"""Ours, as an engine among the others: the sequential backend's own process, asked over gRPC."""

import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

from benchmarks.harness.processes import free_port, is_serving
from benchmarks.peers.engine import Dialect, Engine, Need, Question
from tandem.ar.v1 import ar_pb2


def _request(question: Question, model: str) -> bytes:
    """Whether the prefix cache is used is the server's own setting."""
    (prompt,) = question.prompts
    sampling = ar_pb2.SamplingParams(temperature=0.0, max_tokens=question.num_tokens, ignore_eos=True)
    request = ar_pb2.GenerateRequest(model=model, tokens=ar_pb2.TokenPrompt(ids=prompt), sampling=sampling)
    return request.SerializeToString()


def _tokens(messages: Sequence[bytes]) -> list[int]:
    return [token for message in messages for token in ar_pb2.GenerateResponse.FromString(message).token_ids]


def tandem(model: str, dtype: str) -> Engine:
    """Return ours. Two servers: one with the prefix cache and one without."""

    def set_up() -> dict[str, str]:
        return {name: version(name) for name in ("tandem-serving", "torch", "grpcio")}

    def command(need: Need, port: int) -> tuple[str, ...]:
        cache = "--prefix-cache" if need.prefix_cache else "--no-prefix-cache"
        ports = ("--port", str(port), "--metrics-port", str(free_port() if port else 0))
        return (sys.executable, "-m", "services.ar", *ports, "--models", model, "--dtype", dtype, cache)

    dialect = Dialect("tandem", model, partial(_request, model=model), _tokens)
    return Engine(f"Tandem {dtype}", dialect, set_up, command, is_serving)
