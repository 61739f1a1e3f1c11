"""gRPC's status for a reply's HTTP status, so that results have one set of categories."""

_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 409: 10, 413: 3, 422: 3, 429: 8, 499: 1, 501: 12, 503: 14, 504: 4}
_OK, _UNKNOWN, _INVALID_ARGUMENT, _INTERNAL, _UNAVAILABLE = 0, 2, 3, 13, 14


def code_of_http(status: int) -> int:
    """Return the number of gRPC's status; an unnamed one counts as the first of its hundred, a redirect as UNKNOWN."""
    if status in _CODES:
        return _CODES[status]
    if status == 502:
        return _UNAVAILABLE
    return {2: _OK, 4: _INVALID_ARGUMENT, 5: _INTERNAL}.get(status // 100, _UNKNOWN)
