"""What K steps cost in bits a token, by the measured costs of the model's steps; nothing is fitted.

A step draws its tokens independently given those of earlier steps, so the bits are a sum over the groups, each token at
the cost that was measured where its group begins: the Riemann sum of an information curve (Chen, Cong and Li 2025,
arXiv 2511.04647). The costs are of other images, and of MASK rows, which draw the tokens of fewer than all steps.
"""

from collections.abc import Sequence
from pathlib import Path

from tandem.shared.errors import NotFound
from tandem.shared.models import ModelRepository
from tandem.shared.step_costs import load_step_costs


def predicted_bits(models: Path, name: str, steps: Sequence[int]) -> dict[int, float]:
    """Return bits a token by the number of steps; none if the repository `models` has no costs of a model's steps.

    Raises ModelError.
    """
    try:
        model = ModelRepository(models).get(name)
    except NotFound:  # it is served from elsewhere
        return {}
    tokens = model.spec.image_tokens
    if tokens is None or tokens.step_costs is None:
        return {}
    costs = load_step_costs(model.path(tokens.step_costs), tokens.num_tokens)
    return {each: costs.bits(0, tokens.num_tokens, each) / tokens.num_tokens for each in steps}
