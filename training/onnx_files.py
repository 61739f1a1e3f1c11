"""Writing trained networks as ONNX files, comparing them with torch, and noting their digests in model.toml."""

import logging
import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from runtime.file_hashes import sha256_of

OPSET = 20
MAX_ERROR = 1e-4


def write_onnx(
    module: nn.Module, example: tuple[Tensor, ...], inputs: tuple[str, ...], outputs: tuple[str, ...], path: Path
) -> None:
    """Write `module` to `path` with a free batch dimension on every input and output."""
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        # The exporter uses interfaces of its own that are marked as deprecated; what it wrote is checked below.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            module,
            example,
            path,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=tuple({0: batch} for _ in inputs),
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


@torch.no_grad()
def check_against_torch(reference: nn.Module, examples: list[tuple[Tensor, ...]], path: Path) -> float:
    """Return the largest difference of any output from torch's over the examples; exits if it is above MAX_ERROR."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    errors = []
    for tensors in examples:
        expected = reference(*tensors)
        found = session.run(None, {name: t.numpy() for name, t in zip(names, tensors, strict=True)})
        wanted = expected if isinstance(expected, tuple) else (expected,)
        errors += [float(np.abs(f - w.numpy()).max()) for f, w in zip(found, wanted, strict=True)]
    error = max(errors)
    print(f"{path}: largest difference from torch {error:.1e}")
    if error > MAX_ERROR:
        raise SystemExit(f"error: {path} differs from torch by more than {MAX_ERROR:g}")
    return error


def with_digest(toml: str, file: Path) -> str:
    """Return a model.toml whose [files] table has the SHA-256 of `file`, and all else that it had."""
    line = f'"{file.name}" = "{sha256_of(file)}"'
    if f'"{file.name}" =' in toml:
        return re.sub(rf'^"{re.escape(file.name)}" = .*$', line, toml, flags=re.MULTILINE)
    if "[files]\n" not in toml:
        return f"{toml.rstrip()}\n\n[files]\n{line}\n"
    return toml.replace("[files]\n", f"[files]\n{line}\n")


def record_digests(model_toml: Path, files: list[Path]) -> None:
    """Write the SHA-256 of `files` into the [files] table of `model_toml`; those of other files, which it may name as
    well, stay, so that these are still checked.
    """
    text = model_toml.read_text()
    for file in reversed(files):
        text = with_digest(text, file)
    model_toml.write_text(text)
