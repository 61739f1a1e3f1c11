"""Streams opened and reset at once, with a good client beside them."""

import pytest

from tandem.gan.v1 import gan_pb2
from tests.effort import Effort
from tests.faults.attacks.connection import connected
from tests.faults.attacks.rapid_reset import reset_rapidly
from tests.faults.clients import GENERATE, SAMPLE_STREAM, images, picture
from tests.faults.figures import paths_of, record_observed
from tests.faults.neighbour import Neighbour
from tests.faults.product import Product
from tests.faults.report import Record

REQUESTS = {
    GENERATE: picture(1, n=4).SerializeToString(),
    SAMPLE_STREAM: gan_pb2.SampleStreamRequest(sample=images(500)).SerializeToString(),
}
NUM_ROUNDS = 5  # of two connections each
ATTACKED = [("gateway", GENERATE), ("gateway", SAMPLE_STREAM), ("sequential", GENERATE), ("parallel", SAMPLE_STREAM)]


@pytest.mark.parametrize(("which", "path"), ATTACKED)
async def test_rapid_resets_hold_nobody_up(
    which: str, path: str, product: Product, neighbour: Neighbour, effort: Effort, record: Record
) -> None:
    """Streams opened and reset at once, half of them with their whole message, and a good client beside them."""
    server, count = getattr(product, which), effort.of(500, 10_000)
    history = await product.history_at(server)
    async with neighbour.beside(server.address, paths_of(which), history) as observed:
        for message in (None, REQUESTS[path]) * NUM_ROUNDS:
            async with connected(server.address) as connection:
                num_sent = await reset_rapidly(connection, path, message, count // (2 * NUM_ROUNDS))
            for _ in range(num_sent):
                history.note_left(path, was_heard=False)
    record_observed(record, f"rapid reset of {path.rpartition('/')[2]}, {which}", observed)
    await history.counters_equal()
