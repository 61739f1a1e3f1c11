"""The usual limits fit the process."""

import resource

import pytest

from runtime.http2.library import default_limits


@pytest.mark.parametrize(("files", "most"), [(resource.RLIM_INFINITY, 4096), (1 << 20, 4096), (1024, 768), (100, 1)])
def test_connections_leave_files_for_everything_else(monkeypatch, files, most):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert default_limits().max_connections == most
