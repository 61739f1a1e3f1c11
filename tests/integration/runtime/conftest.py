"""What a server does must not depend on what brings it its calls."""

import pytest

import runtime.server.server
from runtime.http2.library import open_http2
from tests.compiled import skip_without_compiler


@pytest.fixture(params=["native", "grpcio"])
def each_transport(request, monkeypatch):
    """Run the test once over each transport."""
    if request.param == "native":
        with skip_without_compiler():
            open_http2()
    new_transport = runtime.server.server.new_transport
    monkeypatch.setattr(runtime.server.server, "new_transport", lambda http2, tls: new_transport(request.param, tls))
    return request.param
