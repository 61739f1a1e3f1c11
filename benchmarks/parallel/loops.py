"""What the bare loops of runtimes run: the generator's file, for OpenVINO in the forms that the service may give it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.parallel.bars import FP32
from runtime.models import Model
from services.common.runtimes.onnx_file import OnnxFile, read_onnx
from services.common.runtimes.rewrites.every import rewritten
from tandem.measure.quality.quantisation.quantisation import generator_of

OPENVINO, INT8 = "openvino", "openvino int8"


def loops(model: Model, folder: Path) -> dict[str, Path]:
    """Return the file of each bare loop, whose name begins with the runtime's.

    What has to be written for it goes into `folder`. Raises ModelError if the model has no generator.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator, _ = generator_of(model)
    found = {FP32: generator, OPENVINO: _rewritten(generator, folder / "rewritten.onnx")}
    if model.spec.int8 is not None:
        found[INT8] = _rewritten(model.path(model.spec.int8.generator), folder / "rewritten-int8.onnx")
    return found


def _rewritten(path: Path, target: Path) -> Path:
    original = read_onnx(path)
    faster = rewritten(original.model) or original.model
    target.write_bytes(OnnxFile(path, faster, original.digest).content)
    return target
