"""Replicas and gateways are replaced while clients ask, with other settings and another version of a model."""

import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from benchmarks.harness.processes import TRY_AGAIN_SOON, free_port, serving
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tests.tiny_models import add_to_repository
from tests.waiting import wait_until

MODEL = "tiny"
PREFIX = "The two clocks of the tower never agreed, and nobody in the town minded. " * 3
NUM_CALLERS, NUM_SEEDS = 3, 4


class Server:
    """A process at a port of its own, which another one takes over when it has drained."""

    def __init__(self, module: str, pages: str, *flags: str) -> None:
        self.port, self.page_port = free_port(), free_port()
        self._module, self._flags = module, (*flags, "--port", str(self.port), pages, str(self.page_port))
        self._running = serving(module, *self._flags, port=self.port)

    def __enter__(self) -> "Server":
        self._running.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.__exit__(None, None, None)

    def replace(self, *flags: str) -> None:
        """Stop the process as an orchestrator does, and start the next with these flags, too."""
        self.__exit__()
        self._running = serving(self._module, *self._flags, *flags, port=self.port)
        self._running.__enter__()


class Load:
    """Callers that ask again and again. `tokens` has what each version answered to a seed."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = threading.Event()
        self.failures: list[str] = []
        self.tokens: dict[str, dict[int, set[tuple[int, ...]]]] = defaultdict(lambda: defaultdict(set))
        self.num_prompt_tokens = self.num_cached_tokens = 0
        self._lock, self._answers = threading.Lock(), 0
        self._calls: list[Future[None]] = []

    def call(self, caller: int) -> None:
        options = (("grpc.lb_policy_name", "round_robin"), *TRY_AGAIN_SOON)
        with grpc.insecure_channel(self._address, options=options) as channel:
            stub = ar_pb2_grpc.AutoregressiveServiceStub(channel)
            number = 0
            while not self._stop.is_set():
                number += 1
                seed = number % NUM_SEEDS
                sampling = ar_pb2.SamplingParams(max_tokens=12, ignore_eos=True, seed=seed)
                generate = ar_pb2.GenerateRequest(model=MODEL, text=PREFIX, sampling=sampling)
                try:
                    reply = stub.Complete(ar_pb2.CompleteRequest(generate=generate), timeout=60)
                except grpc.RpcError as error:
                    self.failures.append(f"caller {caller}: {error.code()} {error.details()}")
                    continue
                with self._lock:
                    self._answers += 1
                    self.tokens[reply.usage.fingerprint][seed].add(tuple(reply.choices[0].token_ids))
                    self.num_prompt_tokens += reply.usage.prompt_tokens
                    self.num_cached_tokens += reply.usage.cached_tokens

    def wait_for_answers(self) -> None:
        """Return when each seed has been answered again."""
        wanted = self._answers + 2 * NUM_SEEDS * NUM_CALLERS
        while self._answers < wanted and not any(call.done() for call in self._calls):
            self._stop.wait(0.05)

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor() as callers:
            self._calls = [callers.submit(self.call, number) for number in range(NUM_CALLERS)]
            try:
                yield
            finally:
                self._stop.set()
        for call in self._calls:
            call.result()


def is_in_use(gateway: Server) -> bool:
    """Return whether a gateway knows that both replicas serve, and clients have found it: what a rollout waits for."""
    page = httpx.get(f"http://127.0.0.1:{gateway.page_port}/metrics").text
    num_replicas = len(re.findall(r"^tandem_replica_serving{.*} 1.0$", page, re.MULTILINE))
    return num_replicas == 2 and "\ntandem_requests_total{" in page


@pytest.fixture(scope="module")
def versions(tmp_path_factory) -> tuple[Path, Path]:
    """Return repositories with two versions of the model; the second has one number of the first changed."""
    folders = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    for folder in folders:
        reference = add_to_repository(folder, MODEL)
    reference.model.norm.weight.data *= 1.5
    reference.save_pretrained(folders[1] / MODEL / "weights")
    return folders


def test_nothing_is_lost_and_seeds_stay_equal(versions):
    first, second = versions
    backend = ("services.ar", "--metrics-port", "--models", MODEL, "--models-dir", str(first))
    with Server(*backend) as one, Server(*backend) as other:
        replicas = f"127.0.0.1:{one.port},127.0.0.1:{other.port}"
        front = ("gateway", "--http-port", "--gan-targets", "", "--ar-targets", replicas)
        with Server(*front) as gateway, Server(*front) as other_gateway:
            load = Load(f"ipv4:127.0.0.1:{gateway.port},127.0.0.1:{other_gateway.port}")
            with load.running():
                for change in (("--max-batch-tokens", "96"), ("--models-dir", str(second))):
                    for replica in (one, other):
                        load.wait_for_answers()
                        replica.replace(*change)
                        for each in (gateway, other_gateway):
                            wait_until(lambda each=each: is_in_use(each))
                for each in (gateway, other_gateway):
                    each.replace("--max-in-flight", "64")
                    wait_until(lambda each=each: is_in_use(each))
                load.wait_for_answers()
    assert load.failures == []
    assert len(load.tokens) == 2, "each version has a fingerprint of its own, whatever the settings"
    by_seed = [answers for version in load.tokens.values() for answers in version.values()]
    assert [len(answers) for answers in by_seed] == [1] * (2 * NUM_SEEDS), "a seed has one output in a version"
    rate = load.num_cached_tokens / load.num_prompt_tokens
    assert rate > 0.5, f"of the tokens of prompts, {rate:.0%} were in a prefix cache"
