"""What keeps other web sites out: a gateway on loopback is within reach of every page that its user's browser opens.

- A name that an attacker points at 127.0.0.1 (DNS rebinding) shows in the Host header: only IP addresses, localhost and
  configured names are served. Probes and metrics are exempt, as machines ask for them by service name.
- A request from another site shows in Origin and Sec-Fetch-Site, which browsers set and scripts cannot.
- The page may load nothing from elsewhere, run nothing inline, and be framed by nobody.
"""

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.errors import error_body, http_status
from runtime.errors import TandemError, shown

FOR_MACHINES = ("/livez", "/readyz", "/metrics")

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Foreign(TandemError):
    """Expected error: the request was made by another web site, or under a name that is not ours."""

    code = "PERMISSION_DENIED"


class HttpGuard:
    """ASGI middleware: checks Host, adds the headers that tell browsers what the page may do."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                # Pages are asked for again each time, but may answer "not modified".
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith("/pages") else "no-store")
            await send(message)

        app = self._app
        try:
            if scope["path"] not in FOR_MACHINES:
                check_host(Headers(scope=scope).get("host", ""), self._hosts)
        except Foreign as error:
            app = JSONResponse(error_body(error), http_status(error))
        await app(scope, receive, send_with_headers)


def check_host(host: str, hosts: Collection[str]) -> None:
    """Raise Foreign unless the Host header names an IP address, localhost or one of `hosts`."""
    name = _name_of(host)
    if name == "localhost" or name in hosts or _is_ip_address(name):
        return
    raise Foreign(
        f"host: {shown(host)} is not accepted; accepted: localhost, an IP address, or a name in the setting http_hosts"
    )


def check_origin(headers: Headers) -> None:
    """Raise Foreign if a browser says that another site made the request. Clients that are no browsers say nothing."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise Foreign(f"origin: {shown(origin)} is not accepted; accepted: this server's own page, or no browser")
    if site is not None and site != "same-origin":
        raise Foreign(f"sec-fetch-site: {shown(site)} is not accepted; accepted: 'same-origin'")


def _name_of(host: str) -> str:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower()


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
