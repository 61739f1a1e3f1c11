"""Writing trained networks as ONNX files and comparing them with torch."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

OPSET = 20
MAX_ERROR = 1e-4


def write_onnx(
    module: nn.Module,
    examples: Sequence[tuple[Tensor, ...]],
    path: Path,
    *,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    reference: nn.Module | None = None,
) -> None:
    """Write `module` to `path` with a free batch dimension on every input and output, and compare it with torch.

    The first of `examples` must be a batch of two or more. `reference`: the module as trained, if it is another one.
    """
    batch = torch.export.Dim("batch")
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
    strip_metadata(path)
    check_against_torch(reference or module, examples, path)


def strip_metadata(path: Path) -> None:
    """Take out what the exporter notes of its own: stack traces with the paths of the machine it ran on."""
    model = onnx.load(path)
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        noted.ClearField("metadata_props")
    onnx.save(model, path)


@torch.no_grad()
def check_against_torch(reference: nn.Module, examples: Sequence[tuple[Tensor, ...]], path: Path) -> float:
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
