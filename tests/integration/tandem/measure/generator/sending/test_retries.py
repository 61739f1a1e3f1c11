"""What a server has not looked at: sent again, once, as gRPC's rules for transparent retries allow (gRFC A6); and where
it asks the client to leave its only connection, another one is there before the next request is sent.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.integration.tandem.measure.generator.sending.sends import UNARY, closed_loop, connected, sent
from tests.integration.tandem.measure.generator.servers import serving

SERVER = "tests.integration.tandem.measure.generator.sending.h2_server"


@pytest.mark.parametrize(
    ("words", "num_requests", "codes"),
    [
        (("refusing", "1"), 10, {0: 10}),
        (("refusing", "2"), 10, {14: 5, 0: 5}),  # the second is told; then the count begins anew
        (("leaving", "5"), 100, {0: 100}),
    ],
)
async def test_no_request_is_lost_that_the_server_has_not_looked_at(
    words: tuple[str, str], num_requests: int, codes: dict[int, int]
) -> None:
    with serving(SERVER, *words) as server:
        async with connected("compiled", server.address, num_connections=1) as sender:
            seen = await sent(sender, [UNARY], [b"x"] * num_requests, closed_loop(1))
    assert Counter(seen.rows["code"].tolist()) == codes
