"""The GAN as a model of Triton's Python backend, which runs this file in an interpreter of its own."""

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as backend

from benchmarks.peers.gan.generator import Generator


class TritonPythonModel:
    """One instance; Triton's batcher hands over requests, each of some rows."""

    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        self._generator = Generator(parameters["generator"]["string_value"])

    def execute(self, requests: list[Any]) -> list[Any]:
        latents = [backend.get_input_tensor_by_name(request, "latent").as_numpy() for request in requests]
        labels = [backend.get_input_tensor_by_name(request, "label").as_numpy()[:, 0] for request in requests]
        levels = self._generator.draw(np.concatenate(latents), np.concatenate(labels))
        parts = np.split(levels, np.cumsum([len(rows) for rows in latents])[:-1])
        return [backend.InferenceResponse([backend.Tensor("image", part)]) for part in parts]
