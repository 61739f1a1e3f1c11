"""What a server has refused to look at is sent again, once, as gRPC's rules for transparent retries allow (gRFC A6)."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.integration.tandem.measure.generator.sending.sends import UNARY, closed_loop, connected, sent
from tests.integration.tandem.measure.generator.servers import serving


@pytest.mark.parametrize(("num_refusals", "codes"), [(1, {0: 10}), (2, {14: 5, 0: 5})])
async def test_a_refused_request_has_a_second_try_alone(num_refusals: int, codes: dict[int, int]) -> None:
    with serving("tests.integration.tandem.measure.generator.sending.refusing", str(num_refusals)) as server:
        async with connected("compiled", server.address, num_connections=1) as sender:
            seen = await sent(sender, [UNARY], [b"x"] * 10, closed_loop(1))
    # Of two refusals the second is told; then the count begins anew.
    assert Counter(seen.rows["code"].tolist()) == codes
