"""The oracle: ONNX Runtime with all of its own rewriting turned off."""

import numpy as np
import onnx
import onnxruntime


def run(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> np.ndarray:
    """Return the model's first output."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run(None, feed)[0]
