import pytest
import torch
from torch import nn

from services.ar.compute.torch.packed_linear import PackedLinear, can_pack, pack_linears

CAN_PACK_BFLOAT16 = can_pack(torch.zeros(1, dtype=torch.bfloat16))


@pytest.mark.parametrize("rows", [1, 3, 8, 33])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@torch.inference_mode()
def test_a_packed_layer_computes_what_the_plain_one_does(rows, bias, dtype, tolerance):
    if dtype is torch.bfloat16 and not CAN_PACK_BFLOAT16:
        pytest.skip("oneDNN has no bfloat16 for this processor")
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
    assert pack_linears(model.to(torch.bfloat16)) == int(CAN_PACK_BFLOAT16)


@torch.inference_mode()
def test_a_processor_without_bfloat16_keeps_plain_layers(monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    model = nn.Sequential(nn.Linear(40, 72)).to(torch.bfloat16)
    assert pack_linears(model) == 0
    assert model(torch.zeros(1, 40, dtype=torch.bfloat16)).dtype is torch.bfloat16
