"""A generator whose enlarging convolutions compute in int8, made from one in float32, and what that costs in quality.

Only those: they are nearly all of the work, and bear it. The first layer and the last convolution stay as they are;
quantised too, they made the FID of fashion-gan 2.8 times as large.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from services.common.images.encoding import to_uint8
from services.common.runtimes.calibrator import difference
from services.common.runtimes.onnx_session import open_session
from services.common.runtimes.rewrites.conv_transpose import rewrite_conv_transposes
from services.common.runtimes.session import rows
from services.gan.generator import Generator, Latents, probe
from services.gan.latents import draw_latents
from tandem.measure.quality.distances import Features, frechet_distance
from tandem.measure.quality.judge import open_judge
from tandem.measure.quality.protocol import balanced_labels
from tandem.measure.quality.reference import reference_of, without_grey_axis
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import Model, ModelError

NUM_CALIBRATED = 512
BATCH_SIZE = 64


@dataclass(frozen=True)
class Loss:
    """The FID of the original and of the quantised generator, at the same seeds."""

    original: Sequence[float]
    quantised: Sequence[float]
    rms_difference: float
    """Between their images, as a share of the range of values."""

    @property
    def ratio(self) -> float:
        """The sum of the FIDs over the original's: 1 if nothing is lost."""
        return sum(self.quantised) / sum(self.original)


class FidMeter:
    """Measures how far a generator's images are from the reference's test images, in the features of a judge."""

    def __init__(self, judge: Path, reference: Path | None = None) -> None:
        """`judge` is the folder of the judge's model, `reference` an .npz file, None for Fashion-MNIST.

        Raises InvalidArgument, ModelError, NotFound or FileNotFoundError if they are not what they should be.
        """
        self._judge = open_judge(judge)[0]
        images = reference_of(reference)
        self._num_classes = images.num_classes
        self._expected: Features = self._judge.classify(images.test.images)[1]

    def fid(self, generator: Generator, spec: ImageSpec, seed: int, num_images: int) -> float:
        """Return the FID of images drawn from latents (seed, 0) on, as many of each class. Raises InvalidArgument."""
        labels = balanced_labels(num_images, self._num_classes)
        images = []
        for start in range(0, num_images, BATCH_SIZE):
            part = labels[start : start + BATCH_SIZE]
            vectors = draw_latents(seed, start, len(part), spec.latent_dim)
            drawn = generator.draw(Latents(vectors, part if spec.class_names else None))
            images.append(without_grey_axis(to_uint8(drawn, spec.value_range)))
        return frechet_distance(self._judge.classify(np.concatenate(images))[1], self._expected)


def generator_of(model: Model) -> tuple[Path, ImageSpec]:
    """Return the path of a model's generator, and what it draws. Raises ModelError if it has none."""
    if model.spec.generator is None or model.spec.image is None:
        raise ModelError(f"{model.name}: has no generator")
    return model.path(model.spec.generator), model.spec.image


def quantise(model: Model, target: Path) -> None:
    """Write the model's generator with its enlarging convolutions in int8. Raises ModelError if it has none."""
    path, _ = generator_of(model)
    original = onnx.load(path)
    rewritten = rewrite_conv_transposes(original)
    if rewritten is original:
        raise ModelError(f"{path}: has no transposed convolution that enlarges by a whole factor")
    before = {node.output[0] for node in original.graph.node}
    for place, node in enumerate(rewritten.graph.node):
        node.name = node.name or f"node{place}"  # the tool knows nodes by their names
    chosen = [node.name for node in rewritten.graph.node if node.op_type == "Conv" and node.output[0] not in before]
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(rewritten, Path(folder) / "rewritten.onnx")
        with _without_advice():
            quantize_static(
                Path(folder) / "rewritten.onnx",
                target,
                _Latents(model),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                nodes_to_quantize=chosen,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )


@contextmanager
def _without_advice() -> Iterator[None]:
    """The library advises everybody, by the root logger, to let it rewrite the graph first, which has been done."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def loss(model: Model, quantised: Path, *, meter: FidMeter, seeds: Sequence[int], num_images: int) -> Loss:
    """Measure both generators. Raises ModelError, InvalidArgument."""
    path, spec = generator_of(model)
    first, second = (Generator(open_session(file, num_threads=0), spec) for file in (path, quantised))
    latents = probe(spec, NUM_CALIBRATED)
    return Loss(
        [meter.fid(first, spec, seed, num_images) for seed in seeds],
        [meter.fid(second, spec, seed, num_images) for seed in seeds],
        difference(second.draw(latents), first.draw(latents)),
    )


class _Latents(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
    """Inputs such as requests have, from which the ranges of activations are taken."""

    def __init__(self, model: Model) -> None:
        path, spec = generator_of(model)
        generator = Generator(open_session(path, num_threads=0), spec)
        feed = generator.feed(probe(spec, NUM_CALIBRATED))
        self._batches = (rows(feed, start, start + BATCH_SIZE) for start in range(0, NUM_CALIBRATED, BATCH_SIZE))

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)
