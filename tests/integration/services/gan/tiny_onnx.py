"""Tiny ONNX generators and a discriminator, made on the spot, for numpy to check: an image is tanh(z W + T[label])."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tandem.shared.file_hashes import sha256_of

LATENT_DIM = 8
NUM_CLASSES = 3
FEATURE_DIM = 5

_source = np.random.default_rng(5)
WEIGHT = _source.standard_normal((LATENT_DIM, 48)).astype(np.float32) / 4
TABLE = _source.standard_normal((NUM_CLASSES, 48)).astype(np.float32) / 4
JUDGE = _source.standard_normal((16, FEATURE_DIM)).astype(np.float32)

GREY = (4, 4, 1)
COLOUR = (4, 4, 3)


def expected_images(latents: np.ndarray, labels: np.ndarray | None, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the images [N, *shape] of latents [N, LATENT_DIM]."""
    size = int(np.prod(shape))
    values = latents @ WEIGHT[:, :size]
    if labels is not None:
        values = values + TABLE[labels, :size]
    return np.tanh(values).reshape(-1, *shape)


def expected_verdict(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (scores [N], features [N, FEATURE_DIM]) of grey images [N, 4, 4, 1]."""
    features = images.reshape(-1, 16) @ JUDGE
    return features.sum(axis=1) + TABLE[labels, 0], features


def _constant(name: str, value: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(value), name)


def _save(path: Path, nodes: list, inputs: list, outputs: list, constants: list) -> None:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def _label_nodes(label: str, size: int) -> tuple[list, list, list]:
    """Return (nodes, inputs, constants) that add T[label] to `drawn`, as `sum`."""
    if label == "none":
        return [helper.make_node("Identity", ["drawn"], ["sum"])], [], []
    table = _constant("table", TABLE[:, :size])
    if label == "one-hot":
        info = helper.make_tensor_value_info("class", TensorProto.FLOAT, ["batch", NUM_CLASSES])
        looked_up = helper.make_node("MatMul", ["class", "table"], ["row"])
    else:
        kind = TensorProto.INT32 if label == "int32" else TensorProto.INT64
        info = helper.make_tensor_value_info("class", kind, ["batch"])
        looked_up = helper.make_node("Gather", ["table", "class"], ["row"])
    return [looked_up, helper.make_node("Add", ["drawn", "row"], ["sum"])], [info], [table]


def write_generator(path: Path, shape: tuple[int, int, int], label: str = "int64", layout: str = "NCHW") -> None:
    """Write a generator; label: none, int64, int32 or one-hot. NCHW only for one channel (the bytes are the same)."""
    height, width, channels = shape
    size = height * width * channels
    target = [-1, channels, height, width] if layout == "NCHW" else [-1, height, width, channels]
    nodes, inputs, constants = _label_nodes(label, size)
    _save(
        path,
        [
            helper.make_node("MatMul", ["noise", "weight"], ["drawn"]),
            *nodes,
            helper.make_node("Tanh", ["sum"], ["flat"]),
            helper.make_node("Reshape", ["flat", "target"], ["picture"]),
        ],
        [*inputs, helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["batch", LATENT_DIM])],
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", *target[1:]])],
        [_constant("weight", WEIGHT[:, :size]), _constant("target", np.array(target)), *constants],
    )


def write_discriminator(path: Path) -> None:
    """Write a discriminator of grey images with classes."""
    _save(
        path,
        [
            helper.make_node("Reshape", ["picture", "flat_shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "judge"], ["features"]),
            helper.make_node("ReduceSum", ["features", "axis"], ["plain"], keepdims=0),
            helper.make_node("Gather", ["column", "class"], ["bias"]),
            helper.make_node("Add", ["plain", "bias"], ["score"]),
        ],
        [
            helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", 1, 4, 4]),
            helper.make_tensor_value_info("class", TensorProto.INT64, ["batch"]),
        ],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch"]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", FEATURE_DIM]),
        ],
        [
            _constant("flat_shape", np.array([-1, 16])),
            _constant("judge", JUDGE),
            _constant("axis", np.array([1])),
            _constant("column", TABLE[:, 0]),
        ],
    )


def write_model_toml(
    folder: Path,
    shape: tuple[int, int, int],
    *,
    classes: bool,
    discriminator: bool = False,
    latent_dim: int = LATENT_DIM,
) -> None:
    """Write the model.toml of a folder whose ONNX files are there."""
    files = ["generator.onnx", *(["discriminator.onnx"] if discriminator else [])]
    names = [f"class {number}" for number in range(NUM_CLASSES)] if classes else []
    text = f"""
        kind = "gan"
        modality = "image"
        licence = "MIT"
        generator = "generator.onnx"
        {'discriminator = "discriminator.onnx"' if discriminator else ""}
        [files]
        {"".join(f'"{file}" = "{sha256_of(folder / file)}"' + chr(10) for file in files)}
        [image]
        shape = {list(shape)}
        latent_dim = {latent_dim}
        class_names = {names}
        """
    (folder / "model.toml").write_text("\n".join(line.strip() for line in text.splitlines()))


def write_repository(models_dir: Path) -> None:
    """Write three models: tiny (grey, classes, discriminator), plain (grey, no classes) and colour (NHWC, one-hot)."""
    for name in ("tiny", "plain", "colour"):
        (models_dir / name).mkdir(parents=True)
    write_generator(models_dir / "tiny" / "generator.onnx", GREY)
    write_discriminator(models_dir / "tiny" / "discriminator.onnx")
    write_model_toml(models_dir / "tiny", GREY, classes=True, discriminator=True)
    write_generator(models_dir / "plain" / "generator.onnx", GREY, label="none")
    write_model_toml(models_dir / "plain", GREY, classes=False)
    write_generator(models_dir / "colour" / "generator.onnx", COLOUR, label="one-hot", layout="NHWC")
    write_model_toml(models_dir / "colour", COLOUR, classes=True)
