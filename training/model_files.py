"""The files of a trained model: networks as ONNX, compared with torch, and their digests in its model.toml."""

import json
import logging
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from tandem.shared.file_hashes import sha256_of
from training.image_kind import ImageKind

OPSET = 20
MAX_ERROR = 1e-4
CHECKED_BATCH_SIZES = (2, 1, 7, 64)
"""Of which the first, two or more, is what the exporter sees."""

Example = Callable[[int], tuple[Tensor, ...]]


def write_onnx(
    module: nn.Module,
    example: Example,
    path: Path,
    *,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    reference: nn.Module | None = None,
) -> None:
    """Write `module` to `path` with a free batch dimension on every input and output, and compare it with torch.

    `example` gives a batch of a size. `reference`: the module as trained, if it is another one.
    """
    batch = torch.export.Dim("batch")
    examples = [example(size) for size in CHECKED_BATCH_SIZES]
    with warnings.catch_warnings():
        # The exporter uses interfaces of its own that are marked as deprecated; what it wrote is checked below.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            module,
            examples[0],
            path,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _strip_metadata(path)
    _check_against_torch(reference or module, examples, path)


def _strip_metadata(path: Path) -> None:
    """Take out what the exporter notes of its own: stack traces with the paths of the machine it ran on."""
    model = onnx.load(path)
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        noted.ClearField("metadata_props")
    onnx.save(model, path)


@torch.no_grad()
def _check_against_torch(reference: nn.Module, examples: Sequence[tuple[Tensor, ...]], path: Path) -> None:
    """Exits if an output of one of the examples differs from torch's by more than MAX_ERROR."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    errors = []
    for tensors in examples:
        expected = reference(*tensors)
        found = session.run(None, {name: t.numpy() for name, t in zip(names, tensors, strict=True)})
        wanted = expected if isinstance(expected, tuple) else (expected,)
        errors += [float(np.abs(f - w.numpy()).max()) for f, w in zip(found, wanted, strict=True)]
    print(f"{path}: largest difference from torch {max(errors):.1e}")
    if max(errors) > MAX_ERROR:
        raise SystemExit(f"error: {path} differs from torch by more than {MAX_ERROR:g}")


def noise_images(kind: ImageKind, count: int) -> tuple[Tensor]:
    """Return images of noise [count, C, H, W] in -1..1, the same ones each time: an example for `write_onnx`."""
    return (torch.rand((count, *kind.shape), generator=torch.Generator().manual_seed(0)) * 2 - 1,)


def write_model_toml(folder: Path, toml: str, files: Sequence[Path]) -> None:
    """Write a model.toml, unless the folder has one, which may say more, and the digests of `files` into it."""
    path = folder / "model.toml"
    if not path.exists():
        path.write_text(toml)
    record_digests(path, files)


def image_table(kind: ImageKind, latent_dim: int = 0) -> str:
    """Return the table [image] of a model of such images in -1..1; with a latent size, if it has one."""
    channels, height, width = kind.shape
    lines = ["[image]", f"shape = [{height}, {width}, {channels}]"]
    lines += [f"latent_dim = {latent_dim}"] if latent_dim else []
    return "\n".join([*lines, f"class_names = {json.dumps(kind.class_names, ensure_ascii=False)}\n"])


def with_digest(toml: str, file: Path) -> str:
    """Return a model.toml whose [files] table has the SHA-256 of `file`, and all else that it had."""
    line = f'"{file.name}" = "{sha256_of(file)}"'
    if f'"{file.name}" =' in toml:
        return re.sub(rf'^"{re.escape(file.name)}" = .*$', line, toml, flags=re.MULTILINE)
    if "[files]\n" not in toml:
        return f"{toml.rstrip()}\n\n[files]\n{line}\n"
    return toml.replace("[files]\n", f"[files]\n{line}\n")


def name_file(folder: Path, key: str, file: str, behind: str = "licence") -> None:
    """Name a file in the folder's model.toml, behind the line of another key, with its digest."""
    path = folder / "model.toml"
    toml = path.read_text()
    if not re.search(rf"^{key}\s*=", toml, re.MULTILINE):
        path.write_text(re.sub(rf"^{behind}\s*=.*$", rf'\g<0>\n{key} = "{file}"', toml, flags=re.MULTILINE))
    record_digests(path, [folder / file])


def record_digests(model_toml: Path, files: Sequence[Path]) -> None:
    """Write the SHA-256 of `files` into the [files] table of `model_toml`; those of other files, which it may name as
    well, stay, so that these are still checked.
    """
    text = model_toml.read_text()
    for file in reversed(files):
        text = with_digest(text, file)
    model_toml.write_text(text)
