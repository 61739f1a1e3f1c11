"""Web pages from elsewhere: the program of docs/clients.md in a real browser, its types checked; and HTTP's JSON."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tandem.shared.errors import InvalidArgument
from tests.browser import needs_chromium, running_browser
from tests.contract.pages import FENCE, ROOT
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import SAMPLE, FakeBackend, FakeSequential, parallel, sequential
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.npm import GRPC_WEB, install

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
HTML = """<!doctype html><title>A page</title><link rel="icon" href="data:,"><script>
const script = location.hash && import("./{name}.js");
const call = (...given) => script.then(it => it.answer(...given));
</script><body></body>"""
GATEWAY = '"http://localhost:50050"'


class Site(NamedTuple):
    """A web server's origin, and one that is another to browsers."""

    origin: str
    other: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A web server that has the page; it calls the gateway whose port is behind the # of its address."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, *GRPC_WEB)
    typed = [text for _, text in FENCE.findall((ROOT / "docs/clients.md").read_text()) if GATEWAY in text]
    [generate] = re.findall(r"--template '(.+)'", (ROOT / "docs/clients.md").read_text())
    programs = f"{folder}/node_modules/.bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    page = typed[0].replace(GATEWAY, "`http://127.0.0.1:${location.hash.slice(1)}`")
    for name, program in {"docs": page, "index": page.rpartition("await answer(")[0]}.items():
        (folder / f"{name}.ts").write_text(program)
        (folder / f"{name}.html").write_text(HTML.replace("{name}", name))
    checks = ("--strict", "--noEmit", "--target", "es2022", "--module", "preserve")
    for command in (
        ["buf", "generate", f"{ROOT}/protos", "--template", generate],
        ["tsc", *checks, "docs.ts"],
        ["esbuild", "docs.ts", "index.ts", "--bundle", "--format=esm", "--outdir=."],
    ):
        done = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": programs}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site(f"http://127.0.0.1:{server.server_port}", f"http://localhost:{server.server_port}")
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def ar() -> AsyncIterator[FakeBackend]:
    async with sequential() as backend:
        yield backend


@pytest_asyncio.fixture(loop_scope="module")
async def gan() -> AsyncIterator[FakeBackend]:
    async with parallel() as backend:
        yield backend


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(ar: FakeBackend, gan: FakeBackend, site: Site) -> AsyncIterator[RunningGateway]:
    async with running_gateway([ar], [gan], browser_origins=[site.origin]) as running:
        yield running


async def opened(browser: Browser, gateway: RunningGateway, origin: str, name: str = "index") -> Page:
    """Return a page that calls when it is told to, or at once as that of the docs does."""
    page = await browser.new_page()
    await page.goto(f"{origin}/{name}.html#{gateway.gateway.server.port}")
    return page


async def test_tokens_come_one_by_one(
    gateway: RunningGateway, browser: Browser, text: FakeSequential, site: Site
) -> None:
    may_end = asyncio.Event()
    text.before_message = lambda index: may_end.wait() if index == 3 else None
    page = await opened(browser, gateway, site.origin, "docs")
    await page.wait_for_function("document.body.textContent == '0 1 '")
    may_end.set()
    await page.wait_for_function("document.body.textContent.endsWith('98 99 ')")
    await gateway.until_idle()
    request = text.requests[0]
    assert (request.chat.messages[0].content, request.sampling.max_tokens) == ("Why is the sky blue?", 100)
    assert 50 < text.seconds_left[0] < 60
    labels = {"transport": "grpc-web", "code": "OK", "model": "fake-text", "rpc": "Generate"}
    assert gateway.value("tandem_requests_total", **labels) == gateway.value("tandem_requests_total") == 1
    assert gateway.value("tandem_outputs_total", unit="token") == 100


REFUSED = "call('a', () => 0, {key}).catch(error => [error.code, error.rawMessage])"


async def test_errors_are_those_of_grpc(
    gateway: RunningGateway, browser: Browser, text: FakeSequential, site: Site
) -> None:
    def refuse(index: int) -> None:
        raise InvalidArgument("chat", "a", "another")

    page = await opened(browser, gateway, site.origin)
    text.before_message = refuse
    assert await page.evaluate(REFUSED.format(key="''")) == [3, "chat: 'a' is not accepted; accepted: another"]
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", transport="grpc-web", code="INVALID_ARGUMENT") == 1


async def test_an_aborted_call_stops_the_work(
    gateway: RunningGateway, browser: Browser, text: FakeSequential, site: Site
) -> None:
    page = await opened(browser, gateway, site.origin)
    text.before_message = lambda index: asyncio.Event().wait() if index == 2 else None
    aborted = "const stop = new AbortController(); call('a', () => stop.abort(), '', stop.signal).catch(e => e.code)"
    assert await page.evaluate(f"(() => {{ {aborted.replace('; call', '; return call')} }})()") == 1
    await text.all_closed.wait()
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", transport="grpc-web", code="CANCELLED") == 1


async def test_a_key_is_needed_as_for_others(
    ar: FakeBackend, gan: FakeBackend, browser: Browser, text: FakeSequential, site: Site, tmp_path: Path
) -> None:
    settings = {"browser_origins": [site.origin], "api_keys_file": keys_file(tmp_path, requests=1)}
    async with running_gateway([ar], [gan], **settings) as gateway:
        page = await opened(browser, gateway, site.origin)
        for key in ("''", "'tdm_other_'"):
            code, words = await page.evaluate(REFUSED.format(key=key))
            assert (code, "an API key is needed" in words) == (16, True)
        assert text.num_calls == 0
        assert await page.evaluate(REFUSED.format(key=repr(SECRET))) == 100
        assert (await page.evaluate(REFUSED.format(key=repr(SECRET))))[0] == 8
        await gateway.until_idle()
        codes = {"OK": 1, "UNAUTHENTICATED": 2, "RESOURCE_EXHAUSTED": 1}
        assert {code: gateway.value("tandem_requests_total", code=code) for code in codes} == codes
        assert gateway.value("tandem_requests_total") == 4


JSON_CALL = "(address) => fetch(address, {method: 'POST', body: '{}', headers: {'content-type': 'application/json'}})"
JSON_CALL += ".then(reply => reply.json().then(json => [reply.status, reply.headers.get('cache-control'), json]))"


async def test_json_over_http_from_the_page(gateway: RunningGateway, browser: Browser, site: Site) -> None:
    page = await browser.new_page()
    await page.goto(site.origin)
    status, cache, reply = await page.evaluate(JSON_CALL, gateway.web_address + SAMPLE)
    assert (status, cache, reply["images"]["shape"]) == (200, "no-store", [1, 1, 1, 1])
    models = await page.evaluate(
        "(address) => fetch(address).then(reply => reply.json())", f"{gateway.web_address}/v1/models"
    )
    assert models["object"] == "list"


@pytest.mark.parametrize("is_named", [True, False])
async def test_pages_of_other_origins_are_refused(
    ar: FakeBackend, gan: FakeBackend, browser: Browser, text: FakeSequential, site: Site, is_named: bool
) -> None:
    """Whether others are named or none is; also what a browser asks without a question beforehand."""
    async with running_gateway([ar], [gan], browser_origins=[site.origin] if is_named else []) as gateway:
        page = await opened(browser, gateway, site.other)
        assert await page.evaluate(REFUSED.format(key="''")) == [2, "Failed to fetch"]
        with pytest.raises(Exception, match="Failed to fetch"):
            await page.evaluate(JSON_CALL, gateway.web_address + SAMPLE)
        silent = (
            "(address) => fetch(address, {method: 'POST', mode: 'no-cors'}).then(reply => reply.type, error => 'none')"
        )
        for path in ("/tandem.ar.v1.AutoregressiveService/Generate", SAMPLE):
            for address in (f"http://127.0.0.1:{gateway.gateway.server.port}", gateway.web_address):
                assert await page.evaluate(silent, address + path) in ("opaque", "none")
        await gateway.until_idle()
        assert text.num_calls == gan.servicer.num_calls == 0
