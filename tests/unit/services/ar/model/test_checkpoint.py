"""What a model is said to take, against what the kernel holds of it."""

import pytest

from services.ar.compute.native.packing import STORED
from services.ar.compute.native.parameters import Parameters
from services.ar.model.checkpoint import cost_of
from services.ar.model.weights import open_checkpoint
from tests.tiny_models import save_tiny_model
from tests.unit.services.ar.compute.native.formats import DTYPES, in_format, kernel


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_take_what_the_kernel_holds(tmp_path, dtype):
    save_tiny_model(tmp_path)
    checkpoint = in_format(open_checkpoint(tmp_path), dtype)
    held = Parameters(checkpoint, STORED, 1, lambda share: None, kernel()).num_bytes
    assert cost_of(checkpoint).weights == pytest.approx(held, rel=0.01)  # which has a rotary table of one position
    assert cost_of(checkpoint).cache_of_a_token == 3 * 2 * 2 * 16 * (4 if dtype == "float32" else 2)
