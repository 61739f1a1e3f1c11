"""Other web sites stay out; programs and the page itself come in."""

import pytest
from starlette.datastructures import Headers

from gateway.http.endpoint import check_origin
from tandem.shared.errors import PermissionDenied


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
    with pytest.raises(PermissionDenied, match="is not accepted; accepted"):
        check_origin(Headers({"host": "127.0.0.1:8080", **headers}))
