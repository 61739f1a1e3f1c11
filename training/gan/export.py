"""Export a trained run to ONNX: `python -m training.gan.export --run RUN --model models/fashion-gan`.

The averaged generator and the discriminator are first brought into the form that serves: batch norm becomes two tables
of a row a class, spectral norm becomes plain weights. Both files are then compared with torch, and their SHA-256 goes
into the model's model.toml, which is written if there is none. Knows nothing of how the files are served.
"""

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.parametrize import remove_parametrizations

from training import loop
from training.gan.networks import LATENT_DIM, ConditionalBatchNorm, Discriminator, Generator
from training.gan.train import write_samples
from training.image_kind import ImageKind
from training.model_files import image_table, write_model_toml, write_onnx

TOML = """kind = "gan"
modality = "image"
licence = "NOASSERTION"
description = "Class-conditional GAN of {}"
generator = "generator.onnx"
discriminator = "discriminator.onnx"

{}"""


class FoldedNorm(nn.Module):
    """Conditional batch norm with its running statistics folded in: x * scale[label] + shift[label]."""

    def __init__(self, trained: ConditionalBatchNorm) -> None:
        super().__init__()
        mean, variance = trained.norm.running_mean, trained.norm.running_var
        assert mean is not None
        assert variance is not None
        scale = trained.scale.weight * torch.rsqrt(variance + trained.norm.eps)  # [num_classes, C]
        self.register_buffer("scale", scale.detach())
        self.register_buffer("shift", (trained.shift.weight - mean * scale).detach())

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        scale = nn.functional.embedding(label, self.get_buffer("scale"))[:, :, None, None]  # [B, C, 1, 1]
        shift = nn.functional.embedding(label, self.get_buffer("shift"))[:, :, None, None]
        return x * scale + shift


def fold_norms(generator: Generator) -> Generator:
    """Replace each conditional batch norm of `generator` by its folded form and return it."""
    for name, child in list(generator.named_children()):
        if isinstance(child, ConditionalBatchNorm):
            setattr(generator, name, FoldedNorm(child))
    return generator


def bake_norms(discriminator: Discriminator) -> Discriminator:
    """Replace each spectrally normed weight by the plain weight it comes to and return the module."""
    for module in discriminator.modules():
        if hasattr(module, "parametrizations"):
            remove_parametrizations(module, "weight", leave_parametrized=True)
    return discriminator.requires_grad_(False)


def example(kind: ImageKind, shape: tuple[int, ...], batch_size: int) -> tuple[Tensor, Tensor]:
    """Return latents or images, of a shape, and labels of a batch, drawn from the batch size."""
    source = torch.Generator().manual_seed(batch_size)
    label = torch.randint(kind.num_classes, (batch_size,), generator=source)
    return torch.randn((batch_size, *shape), generator=source), label


def export(run: Path, model: Path, step: int | None) -> None:
    """Write generator.onnx, discriminator.onnx and samples.png into `model`, the digests into its model.toml."""
    kind = ImageKind.of(run)
    weights = loop.newest(run, "ema-*.safetensors" if step is None else f"ema-{step:06d}.safetensors")
    generator = Generator(kind)
    generator.load_state_dict(load_file(weights))
    generator.eval().requires_grad_(False)
    trained, discriminator = Discriminator(kind), Discriminator(kind)  # a copy would lose its norms with the original
    checkpoint = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    for network in (trained, discriminator):
        network.load_state_dict(checkpoint["discriminator"])
        network.eval().requires_grad_(False)
    model.mkdir(parents=True, exist_ok=True)
    print(weights.name)
    folded, baked = fold_norms(copy.deepcopy(generator)), bake_norms(discriminator)
    latents, images = (partial(example, kind, shape) for shape in ((LATENT_DIM,), kind.shape))
    files = [model / "generator.onnx", model / "discriminator.onnx"]
    write_onnx(folded, latents, files[0], inputs=("latent", "label"), outputs=("image",), reference=generator)
    judged = ("score", "features")
    write_onnx(baked, images, files[1], inputs=("image", "label"), outputs=judged, reference=trained)
    write_samples(generator, model / "samples.png")
    write_model_toml(model, TOML.format(kind.data_set, image_table(kind, LATENT_DIM)), files)


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(__doc__, run="folder of the training run", model="folder of the model in the repository")
    parser.add_argument("--step", type=int, help="snapshot to serve; default: the newest")
    options = parser.parse_args(argv)
    export(options.run, options.model, options.step)


if __name__ == "__main__":
    main()
