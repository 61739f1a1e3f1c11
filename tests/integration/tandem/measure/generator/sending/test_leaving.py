"""A server asks the client to leave its only connection: another one is there before the next request is sent."""

from __future__ import annotations

from collections import Counter

from tests.integration.tandem.measure.generator.sending.sends import UNARY, closed_loop, connected, sent
from tests.integration.tandem.measure.generator.servers import serving


async def test_no_request_finds_the_only_connection_gone() -> None:
    with serving("tests.integration.tandem.measure.generator.sending.leaving", "5") as server:
        async with connected("compiled", server.address, num_connections=1) as sender:
            seen = await sent(sender, [UNARY], [b"x"] * 100, closed_loop(1))
    assert Counter(seen.rows["code"].tolist()) == {0: 100}
