"""Several sequential replicas: prompts that begin alike go to the same one, unless that has too much to do."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.proxy import modules
from gateway.proxy.sockets import Sockets
from tandem.ar.v1 import ar_pb2
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import GENERATE, SCORE
from tests.integration.gateway.proxy.backend import Backend, backend_process, never
from tests.integration.gateway.proxy.running import Proxy, proxy
from tests.waiting import until

COMPLETE = "/tandem.ar.v1.AutoregressiveService/Complete"
HEADER = "tandem-affinity"


def prompt(**fields: Any) -> bytes:
    return ar_pb2.GenerateRequest(**fields, sampling={"max_tokens": 3}).SerializeToString()


def chat(*contents: str, system: str = "Be brief.") -> bytes:
    """Return a conversation that user and assistant take turns in."""
    roles = ["user", "assistant"] * len(contents)
    turns = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    return prompt(chat={"messages": [{"role": "system", "content": system}, *turns]})


async def keys_of(running: Proxy, requests: list[bytes], *backends: Backend, path: str = GENERATE) -> list[Any]:
    """Return what each request was given, having checked that one key is one replica's."""
    replica_of: dict[Any, set[Backend]] = {}
    found = []
    for request in requests:
        before = [len(backend.calls) for backend in backends]
        assert (await running.call(path, request)).code is grpc.StatusCode.OK
        [asked] = [each for each, count in zip(backends, before, strict=True) if len(each.calls) > count]
        found.append(asked.calls[-1].headers.get(HEADER))
        replica_of.setdefault(found[-1], set()).add(asked)
    assert all(len(replicas) == 1 for key, replicas in replica_of.items() if key is not None)
    return found


LONG = "the same words " * 100  # more than are looked at


async def test_prompts_that_begin_alike_go_to_one_replica_and_others_elsewhere(
    pair: Proxy, ar: Backend, other: Backend
) -> None:
    await pair.until_serving(2)
    texts = [prompt(text=f"{number} {LONG}{end}") for number in range(16) for end in ("", "and more", "x" * 300_000)]
    keys = await keys_of(pair, texts, ar, other)
    assert len(set(keys)) == 16
    assert keys[::3] == keys[1::3] == keys[2::3]
    assert ar.calls
    assert other.calls


async def test_a_conversation_stays_where_it_began(pair: Proxy, ar: Backend, other: Backend) -> None:
    await pair.until_serving(2)
    turns = [chat("Hello"), chat("Hello", "Hi.", "How are you?"), chat("Hello", "Hi.", "How are you?", "Fine.", LONG)]
    others = [chat("Bye"), chat("Hello", system="Be kind."), chat(LONG, system=LONG), chat("Hello", system=LONG)]
    keys = await keys_of(pair, [*turns, *others], ar, other)
    assert keys[:3] == keys[:1] * 3
    assert len(set(keys)) == 1 + len(others)
    whole = [ar_pb2.CompleteRequest(generate=each).SerializeToString() for each in map(parsed, turns)]
    assert await keys_of(pair, whole, ar, other, path=COMPLETE) == keys[:3]


def parsed(request: bytes) -> ar_pb2.GenerateRequest:
    return ar_pb2.GenerateRequest.FromString(request)


async def test_models_and_tokens_are_told_apart(pair: Proxy, ar: Backend, other: Backend) -> None:
    await pair.until_serving(2)
    ids = [[first, *range(300)] for first in (1, 2)]
    requests = [prompt(model=model, tokens={"ids": each}) for model in ("a", "b") for each in ids]
    keys = await keys_of(pair, [*requests, prompt(model="a", tokens={"ids": [*ids[0], 5]})], ar, other)
    assert len(set(keys[:4])) == 4
    assert keys[4] == keys[0]


async def test_images_go_where_least_is_under_way(pair: Proxy, ar: Backend, other: Backend) -> None:
    await pair.until_serving(2)
    ar.answer = other.answer = never
    requests = [prompt(class_label=1), prompt(tokens={"ids": range(50)})] * 4
    calls = await under_way(pair, requests, ar, other)
    assert [len(ar.calls), len(other.calls)] == [4, 4]
    assert not any(HEADER in call.headers for call in (*ar.calls, *other.calls))
    for call in calls:
        call.cancel()


async def under_way(running: Proxy, requests: list[bytes], *backends: Backend, **options: Any) -> list[Any]:
    """Begin calls, each of which the choice of the next one's replica sees."""
    calls = []
    for number, request in enumerate(requests, 1):
        calls.append(running.stream(GENERATE, request, **options))
        await until(lambda number=number: sum(len(each.calls) for each in backends) == number)
    return calls


async def test_a_replica_has_at_most_a_quarter_more_than_the_mean(pair: Proxy, ar: Backend, other: Backend) -> None:
    await pair.until_serving(2)
    ar.answer = other.answer = never
    calls = await under_way(pair, [prompt(text="all the same")] * 16, ar, other)
    assert sorted([len(ar.calls), len(other.calls)]) == [6, 10]
    for call in calls:
        call.cancel()


async def test_a_client_chooses_what_belongs_together(pair: Proxy, ar: Backend, other: Backend) -> None:
    await pair.until_serving(2)
    seen: dict[str, set[str]] = {}
    for number in range(32):
        key = f"session {number % 8}"
        assert (await pair.call(GENERATE, prompt(text=f"{number}"), metadata=((HEADER, key),))).code.name == "OK"
    for name, backend in (("ar", ar), ("other", other)):
        for call in backend.calls:
            seen.setdefault(str(call.headers[HEADER]), set()).add(name)
    assert len(seen) == 8
    assert all(len(names) == 1 for names in seen.values())


async def test_callers_with_keys_have_caches_of_their_own(ar: Backend, other: Backend, tmp_path: Path) -> None:
    async with proxy([ar, other], api_keys_file=keys_file(tmp_path)) as running:
        await running.until_serving(2)
        for secret in (SECRET, "tdm_other", SECRET):
            metadata = (("authorization", f"Bearer {secret}"),)
            assert (await running.call(GENERATE, prompt(text=LONG), metadata=metadata)).code.name == "OK"
    assert len({call.headers[HEADER] for call in (*ar.calls, *other.calls)}) == 2


async def test_what_is_no_message_harms_nobody(pair: Proxy, ar: Backend, other: Backend) -> None:
    await pair.until_serving(2)
    draw = random.Random(1)
    whole = chat(LONG, "Hi.", LONG)
    for path in (GENERATE, COMPLETE):
        for length in range(0, 200, 5):
            bodies = [draw.randbytes(length), whole[:length], b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + whole]
            for body in bodies:
                assert (await pair.call(path, body)).code is grpc.StatusCode.OK


async def test_one_replica_costs_nothing(single: Proxy, ar: Backend) -> None:
    assert await keys_of(single, [prompt(text=LONG)], ar) == [None]
    assert "affinity" not in single.sockets.bootstrap.read_text()


async def test_of_a_killed_replica_nothing_is_lost_and_its_prompts_alone_move() -> None:
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(backend_process()) for _ in range(3)]
        running = await stack.enter_async_context(proxy(ar_targets=[target for _, target in replicas]))
        await running.until_serving(3)

        async def ask(key: int) -> None:
            assert (await running.call(SCORE, b"1", metadata=((HEADER, str(key)),))).code is grpc.StatusCode.OK

        async def owner(key: int) -> str:
            count = len(running.observer.entries) + 1
            await ask(key)
            address = (await running.observer.entry(count)).common_properties.upstream_remote_address.socket_address
            return f"{address.address}:{address.port_value}"

        before = [await owner(key) for key in range(48)]
        assert set(before) == {target for _, target in replicas}
        victim, lost = replicas[0]
        victim.send_signal(signal.SIGSTOP)
        calls = [asyncio.create_task(ask(key)) for key in range(48)]

        async def are_held() -> bool:
            num_active = (await running.envoy.admin.counters()).requests_active
            return num_active > 0 and num_active + len(running.observer.entries) == 96

        await until(are_held)
        victim.kill()
        await asyncio.gather(*calls)
        await until(lambda: len(running.observer.entries) == 96)
        after = [await owner(key) for key in range(48)]
        moved = [key for key in range(48) if after[key] != before[key]]
        assert moved == [key for key in range(48) if before[key] == lost]
        assert len({after[key] for key in moved}) == 2


def test_without_the_module_for_this_envoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "packaged_version", lambda: "1.41.0")
    assert modules.place_affinity(Sockets(tmp_path)) is None
