"""Export a trained run to ONNX: `python -m training.gan.export --run RUN --model models/fashion-gan`.

The averaged generator and the discriminator are first brought into the form that serves: batch norm becomes two tables
of a row a class, spectral norm becomes plain weights. Both files are then compared with torch, and their SHA-256 goes
into the model's model.toml. Knows nothing of how the files are served.
"""

import argparse
import logging
import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.parametrize import remove_parametrizations

from runtime.models import sha256_of
from training.gan.networks import LATENT_DIM, NUM_CLASSES, ConditionalBatchNorm, Discriminator, Generator

OPSET = 20
MAX_ERROR = 1e-4
CHECKED_BATCH_SIZES = (1, 2, 7, 64)


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


def served_generator(run: Path, step: int | None) -> tuple[int, Generator]:
    """Return (step, the averaged generator of that snapshot), the newest one if `step` is None."""
    snapshots = {int(path.stem.removeprefix("ema-")): path for path in run.glob("ema-*.safetensors")}
    step = max(snapshots, default=None) if step is None else step
    if step is None or step not in snapshots:
        raise SystemExit(f"error: {run} has no snapshot of step {step}; there are: {sorted(snapshots)}")
    generator = Generator()
    generator.load_state_dict(load_file(snapshots[step]))
    return step, generator.eval().requires_grad_(False)


def folded(generator: Generator) -> Generator:
    """Replace each conditional batch norm of `generator` by its folded form and return it."""
    for name, child in list(generator.named_children()):
        if isinstance(child, ConditionalBatchNorm):
            setattr(generator, name, FoldedNorm(child))
    return generator


def served_discriminator(run: Path) -> Discriminator:
    """Return the run's last discriminator, as trained."""
    discriminator = Discriminator()
    state = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    discriminator.load_state_dict(state["discriminator"])
    return discriminator.eval().requires_grad_(False)


def baked(discriminator: Discriminator) -> Discriminator:
    """Replace each spectrally normed weight by the plain weight it comes to and return the module."""
    for module in discriminator.modules():
        if hasattr(module, "parametrizations"):
            remove_parametrizations(module, "weight", leave_parametrized=True)
    return discriminator.requires_grad_(False)


def example(inputs: tuple[str, ...], batch_size: int) -> tuple[Tensor, Tensor]:
    """Return (latents or images, labels) of a batch, drawn from the batch size."""
    source = torch.Generator().manual_seed(batch_size)
    shape = (batch_size, LATENT_DIM) if inputs[0] == "latent" else (batch_size, 1, 28, 28)
    label = torch.randint(NUM_CLASSES, (batch_size,), generator=source)
    return torch.randn(shape, generator=source), label


def write_onnx(module: nn.Module, inputs: tuple[str, ...], outputs: tuple[str, ...], path: Path) -> None:
    """Write `module` to `path` with a free batch dimension on every input and output."""
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        # The exporter uses interfaces of its own that are marked as deprecated; what it wrote is checked below.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            module,
            example(inputs, 2),
            path,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=({0: batch}, {0: batch}),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    strip_metadata(path)


def strip_metadata(path: Path) -> None:
    """Take out what the exporter notes of its own: stack traces with the paths of the machine it ran on."""
    model = onnx.load(path)
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        noted.ClearField("metadata_props")
    onnx.save(model, path)


def largest_error(reference: nn.Module, inputs: tuple[str, ...], path: Path) -> float:
    """Return the largest difference of any output from torch's, over several batch sizes."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    errors = []
    for batch_size in CHECKED_BATCH_SIZES:
        tensors = example(inputs, batch_size)
        expected = reference(*tensors)
        found = session.run(None, {name: t.numpy() for name, t in zip(inputs, tensors, strict=True)})
        wanted = expected if isinstance(expected, tuple) else (expected,)
        errors += [float(np.abs(f - w.numpy()).max()) for f, w in zip(found, wanted, strict=True)]
    return max(errors)


def record_digests(model_toml: Path, files: list[Path]) -> None:
    """Write the SHA-256 of `files` into the [files] table of `model_toml`, in place of what it said before."""
    text = re.sub(r"\n*\[files\]\n(?:[^\[\n][^\n]*\n)*", "\n", model_toml.read_text()).rstrip("\n")
    table = "".join(f'"{file.name}" = "{sha256_of(file)}"\n' for file in files)
    model_toml.write_text(f"{text}\n\n[files]\n{table}")


def export(run: Path, model: Path, step: int | None) -> None:
    """Write generator.onnx and discriminator.onnx into `model` and their digests into its model.toml."""
    step, generator = served_generator(run, step)
    discriminator = served_discriminator(run)
    drawn = (("latent", "label"), ("image",), model / "generator.onnx")
    judged = (("image", "label"), ("score", "features"), model / "discriminator.onnx")
    write_onnx(folded(served_generator(run, step)[1]), *drawn)
    write_onnx(baked(served_discriminator(run)), *judged)
    for reference, (inputs, _, path) in ((generator, drawn), (discriminator, judged)):
        error = largest_error(reference, inputs, path)
        print(f"{path}: step {step}, largest difference from torch {error:.1e}")
        if error > MAX_ERROR:
            raise SystemExit(f"error: {path} differs from torch by more than {MAX_ERROR:g}")
    record_digests(model / "model.toml", [drawn[2], judged[2]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model in the repository")
    parser.add_argument("--step", type=int, help="snapshot to serve; default: the newest")
    options = parser.parse_args()
    export(options.run, options.model, options.step)


if __name__ == "__main__":
    main()
