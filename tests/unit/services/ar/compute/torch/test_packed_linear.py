import pytest
import torch
from torch import nn

from services.ar.compute.torch.packed_linear import PackedLinear, pack_linears


@pytest.mark.parametrize("rows", [1, 3, 8, 33])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@torch.inference_mode()
def test_a_packed_layer_computes_what_the_plain_one_does(rows, bias, dtype, tolerance):
    torch.manual_seed(0)
    plain = nn.Linear(40, 72, bias=bias).to(dtype).requires_grad_(False)
    x = torch.randn(rows, 40).to(dtype)
    expected = plain(x)
    model = nn.Sequential(plain)
    assert pack_linears(model) == 1
    assert isinstance(model[0], PackedLinear)
    torch.testing.assert_close(model(x), expected, atol=tolerance, rtol=tolerance)


def test_narrow_layers_stay_plain_in_float32():
    model = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 72)).requires_grad_(False)
    assert pack_linears(model) == 1
    assert isinstance(model[0], nn.Linear)
    assert pack_linears(model.to(torch.bfloat16)) == 1
