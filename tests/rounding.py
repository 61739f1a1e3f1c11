"""What the native kernel rounds, in torch: an oracle for weights of few bits."""

from torch import Tensor, nn
from torch.nn import functional

from services.ar.compute.torch.kv_cache import CausalAttention
from services.ar.model.quantised import GROUP


class RoundedLinear(nn.Module):
    """What the kernel computes with weights of 8 or 4 bits: activations are rounded to 8, in groups of 32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        groups = functional.pad(x, (0, -x.shape[-1] % GROUP)).unflatten(-1, (-1, GROUP))
        most = groups.abs().amax(-1, keepdim=True)
        steps = (groups * (127 / most)).nan_to_num().round()
        return self.linear((steps * (most / 127)).flatten(-2)[..., : x.shape[-1]])


class HalfCacheAttention(CausalAttention):
    """Attends to keys and values as a cache of float16 holds them."""

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return super().__call__(layer, query, key.half().float(), value.half().float())


def round_activations(model: nn.Module) -> None:
    """Have all linear layers of `model` round what comes in."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear):
            model.set_submodule(name, RoundedLinear(layer))
