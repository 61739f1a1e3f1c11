"""A data set of 4x4 images in three classes, a judge of it, and a gateway with a model of each paradigm."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import Unavailable
from tandem.shared.file_hashes import sha256_of
from tests.integration.tandem.fakes import server_of

SIDE, NUM_CLASSES = 4, 3
CLASS_NAMES = ("left", "right", "top")


def picture(label: int, seed: int) -> npt.NDArray[np.uint8]:
    """Return one [4, 4] image: two bright lines where the class has them, and noise."""
    noise = np.random.default_rng([label, seed]).integers(0, 60, (SIDE, SIDE))
    noise[{0: np.s_[:, :2], 1: np.s_[:, 2:], 2: np.s_[:2]}[label]] += 150
    return noise.astype(np.uint8)


def pictures(num_per_class: int, first_seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return (images, labels) in the order of the classes."""
    labels = np.repeat(np.arange(NUM_CLASSES), num_per_class)
    return np.stack([picture(int(label), first_seed + index) for index, label in enumerate(labels)]), labels


def write_reference(path: Path) -> None:
    train_images, train_labels = pictures(40, 1_000)
    test_images, test_labels = pictures(30, 2_000)
    np.savez(
        path, train_images=train_images, train_labels=train_labels, test_images=test_images, test_labels=test_labels
    )


def write_judge(folder: Path) -> Path:
    """Write a judge whose features are the pixels; return its folder."""
    folder.mkdir(parents=True)
    templates = np.stack([picture(label, 0) >= 150 for label in range(NUM_CLASSES)]).reshape(NUM_CLASSES, -1)
    constants = {"shape": np.array([-1, SIDE * SIDE]), "weights": templates.T.astype(np.float32)}
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "judge",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", NUM_CLASSES]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", SIDE * SIDE]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path = folder / "judge.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    lines = [
        'kind = "judge"',
        'modality = "image"',
        'licence = "MIT"',
        "[files]",
        f'"judge.onnx" = "{sha256_of(path)}"',
    ]
    lines += ["[image]", f"shape = [{SIDE}, {SIDE}, 1]", f"class_names = {list(CLASS_NAMES)}"]
    (folder / "model.toml").write_text("\n".join(lines))
    return folder


async def not_served(self: object, request: object, call: Call) -> None:
    raise AssertionError("an evaluation does not call this")


class SmallSequential:
    """Draws `picture(class, seed)`; keeps its requests."""

    generate = score = tokenize = detokenize = describe_tokenizer = not_served

    def __init__(self) -> None:
        self.requests: list[ar_pb2.GenerateRequest] = []
        self.is_away = False

    async def complete(self, request: ar_pb2.CompleteRequest, call: Call) -> ar_pb2.CompleteResponse:
        self.requests.append(request.generate)
        image = picture(request.generate.class_label, request.generate.sampling.seed)
        choice = ar_pb2.GenerateResponse(
            token_ids=[1], finish_reason=ar_pb2.FINISH_REASON_LENGTH, image=batch(image[None])
        )
        return ar_pb2.CompleteResponse(choices=[choice])

    async def list_models(self, request: Any, call: Call) -> ar_pb2.ListModelsResponse:
        if self.is_away:
            raise Unavailable("the sequential backend is away")
        text = ar_pb2.Model(name="words", modality="text")
        return ar_pb2.ListModelsResponse(
            models=[text, ar_pb2.Model(name="small-ar", modality="image", num_classes=NUM_CLASSES)]
        )


class SmallParallel:
    """Image i is `picture(class, seed + i)`, or of `num_channels` times that; sent in two parts."""

    sample = discriminate = not_served

    def __init__(self) -> None:
        self.requests: list[gan_pb2.SampleRequest] = []
        self.num_channels = 1
        self.num_classes = NUM_CLASSES

    async def sample_stream(
        self, request: gan_pb2.SampleStreamRequest, call: Call
    ) -> AsyncIterator[gan_pb2.SampleStreamResponse]:
        sample = request.sample
        self.requests.append(sample)
        images = np.stack([picture(label, sample.seed + index) for index, label in enumerate(sample.labels)])
        for part in np.array_split(images, 2):
            yield gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=batch(part, self.num_channels)))

    async def list_models(self, request: Any, call: Call) -> gan_pb2.ListModelsResponse:
        return gan_pb2.ListModelsResponse(models=[gan_pb2.Model(name="small-gan", num_classes=self.num_classes)])


def batch(images: npt.NDArray[np.uint8], num_channels: int = 1) -> images_pb2.ImageBatch:
    pixels = np.repeat(images[..., None], num_channels, axis=-1)
    return images_pb2.ImageBatch(
        shape=pixels.shape, encoding=images_pb2.ENCODING_RAW_UINT8, data=np.ascontiguousarray(pixels).tobytes()
    )


class SmallGateway:
    """Where it is, and what stands behind it."""

    def __init__(self) -> None:
        self.sequential, self.parallel = SmallSequential(), SmallParallel()
        self.address = ""


@contextlib.asynccontextmanager
async def small_gateway() -> AsyncIterator[SmallGateway]:
    gateway = SmallGateway()
    server = server_of(gateway.sequential, gateway.parallel)
    await server.start()
    gateway.address = f"127.0.0.1:{server.port}"
    try:
        yield gateway
    finally:
        await server.stop(1.0)
