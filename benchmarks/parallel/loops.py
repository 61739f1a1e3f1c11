"""What the bare loops of runtimes run: the generator's file, for OpenVINO in the form that the service gives it."""

from __future__ import annotations

from pathlib import Path

from services.common.runtimes.onnx_file import OnnxFile, read_onnx
from services.common.runtimes.rewrites.every import rewritten


def loops(generator: Path, folder: Path) -> dict[str, Path]:
    """Return the file of each runtime's bare loop; what has to be written for it goes into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    original = read_onnx(generator)
    faster = rewritten(original.model) or original.model
    path = folder / "rewritten.onnx"
    path.write_bytes(OnnxFile(generator, faster, original.digest).content)
    return {"onnxruntime": generator, "openvino": path}
