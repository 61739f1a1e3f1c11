"""All rewrites, one after another."""

from __future__ import annotations

import onnx

from services.common.runtimes.rewrites.conv_transpose import rewrite_conv_transposes
from services.common.runtimes.rewrites.narrow_convolution import rewrite_narrow_convolutions


def rewritten(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Return the model in its faster form, or None if nothing of it can be rewritten."""
    faster = rewrite_narrow_convolutions(rewrite_conv_transposes(model))
    return None if faster is model else faster
