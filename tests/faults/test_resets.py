"""Streams opened and reset at once, with a good client beside them."""

import pytest

from tandem.gan.v1 import gan_pb2
from tests.effort import Effort
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import reset_rapidly
from tests.faults.clients import GENERATE, SAMPLE_STREAM, images, picture
from tests.faults.figures import Watch

REQUESTS = {
    GENERATE: picture(1, n=4).SerializeToString(),
    SAMPLE_STREAM: gan_pb2.SampleStreamRequest(sample=images(500)).SerializeToString(),
}
NUM_ROUNDS = 5  # of two connections each
ATTACKED = [("gateway", GENERATE), ("gateway", SAMPLE_STREAM), ("sequential", GENERATE), ("parallel", SAMPLE_STREAM)]


@pytest.mark.parametrize(("which", "path"), ATTACKED)
async def test_rapid_resets_hold_nobody_up(which: str, path: str, watch: Watch, effort: Effort) -> None:
    """Streams opened and reset at once, half of them with their whole message, and a good client beside them."""
    count, row = effort.of(200, 10_000), f"rapid reset of {path.rpartition('/')[2]}, {which}"
    async with watch.attack(which, row, max_mib=None) as attacked:
        for message in (None, REQUESTS[path]) * NUM_ROUNDS:
            async with connected(attacked.server.address) as connection:
                num_sent = await reset_rapidly(connection, path, message, count // (2 * NUM_ROUNDS))
            attacked.history.unheard[path] += num_sent
