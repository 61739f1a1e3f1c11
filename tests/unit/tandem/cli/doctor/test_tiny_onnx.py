"""The hand-written model is a real one."""

import numpy as np
import onnx
import onnxruntime

from tandem.cli.doctor.tiny_onnx import identity_model


def test_the_model_is_valid_and_runs() -> None:
    onnx.checker.check_model(onnx.load_from_string(identity_model()))
    session = onnxruntime.InferenceSession(identity_model(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.array([3.5], np.float32)})[0].tolist() == [3.5]
