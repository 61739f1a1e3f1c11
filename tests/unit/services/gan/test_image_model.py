"""What the settings allow a caller of the parallel backend."""

import pytest

from services.common.batching.admission import BatchLimits
from services.gan.image_model import batch_limits
from services.gan.settings import GanSettings


@pytest.mark.parametrize(
    ("max_queued", "max_request", "share", "most"),
    [(4096, 1024, 0.75, 3072), (4096, 1024, 1.0, 4096), (1024, 1024, 0.75, 1024), (4096, 1024, 0.01, 1024)],
)
def test_a_lone_caller_may_make_the_largest_request_and_have_its_share_of_the_queue(
    max_queued, max_request, share, most
):
    settings = GanSettings(
        max_queued_images=max_queued, max_images_per_request=max_request, max_caller_share=share, max_wait_seconds=7.0
    )
    assert batch_limits(settings) == BatchLimits(64, max_queued, 0.0, most, 7.0)
