"""gRPC's numbers of statuses, and that for a reply's HTTP status, so that results have one set of categories."""

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE = 0, 1, 2, 3, 4, 13, 14
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 409: 10, 413: 3, 422: 3, 429: 8, 499: 1, 501: 12}
_CODES |= {502: UNAVAILABLE, 503: UNAVAILABLE, 504: DEADLINE_EXCEEDED}


def code_of_http(status: int) -> int:
    """Return the number of gRPC's status; an unnamed one counts as the first of its hundred, a redirect as UNKNOWN."""
    return _CODES.get(status, {2: OK, 4: INVALID_ARGUMENT, 5: INTERNAL}.get(status // 100, UNKNOWN))
