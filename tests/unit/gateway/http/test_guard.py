"""Other web sites stay out; programs and the page itself come in."""

import pytest
from starlette.datastructures import Headers

from gateway.http.guard import Foreign, check_host, check_origin


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LOCALHOST:1",
        "127.0.0.1:8080",
        "10.1.2.3",
        "[::1]:8080",
        "[fe80::1]",
        "gw.lan:80",
    ],
)
def test_own_names_are_served(host: str) -> None:
    check_host(host, {"gw.lan"})


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "[evil]", "gw.lan.x"],
)
def test_a_name_that_may_have_been_rebound_is_not(host: str) -> None:
    with pytest.raises(Foreign, match=r"host: .* is not accepted; accepted: localhost, an IP address"):
        check_host(host, {"gw.lan"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8080"},
        {"origin": "https://127.0.0.1:8080", "sec-fetch-site": "same-origin"},
    ],
)
def test_programs_and_the_own_page_come_in(headers: dict[str, str]) -> None:
    check_origin(Headers({"host": "127.0.0.1:8080", **headers}))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9090"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_other_sites_do_not(headers: dict[str, str]) -> None:
    with pytest.raises(Foreign, match="is not accepted; accepted"):
        check_origin(Headers({"host": "127.0.0.1:8080", **headers}))
