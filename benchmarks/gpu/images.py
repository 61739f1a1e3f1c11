"""A generator on the device: its images beside the CPU's, and images/s in float16, bare and served."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from benchmarks.gpu.stage import MODELS, Stage
from benchmarks.harness.backend import GAN_MODEL
from benchmarks.harness.figures import DIRECT, NOW, Figures
from benchmarks.harness.generators import open_bare_loop
from benchmarks.harness.load import open_tester
from benchmarks.harness.processes import gateway, service
from services.common.runtimes.calibrator import ODD_SIZES, depends_on_batch
from services.common.runtimes.onnx_session import open_session
from services.gan.generator import Generator, probe
from tandem.measure.scenario import ClosedLoop
from tandem.measure.workload_text import parse_workload
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import Model, ModelRepository

_COMPARED = 64
_CALLERS = 4


def write_float16(model: Model, folder: Path) -> Model:
    """Write a model of a new repository that computes in float16, and takes and gives float32 as `model` does."""
    assert model.spec.generator is not None
    home = folder / f"{model.name}-float16"
    home.mkdir()
    made = home / "generator.onnx"
    onnx.save(convert_float_to_float16(onnx.load(model.path(model.spec.generator)), keep_io_types=True), made)
    (image,) = re.findall(r"^\[image\]\n(?:.+\n)+", (model.folder / "model.toml").read_text(), re.MULTILINE)
    lines = ['kind = "gan"', 'modality = "image"', f'licence = "{model.spec.licence}"', 'generator = "generator.onnx"']
    (home / "model.toml").write_text("\n".join([*lines, image, "[files]", f'"{made.name}" = "{sha256_of(made)}"\n']))
    return ModelRepository(folder).get(home.name)


def equal(stage: Stage, figures: Figures) -> None:
    """Draw the same latents here and there, in both precisions, and in batches of other sizes."""
    model = ModelRepository(MODELS).get(GAN_MODEL)
    image = model.spec.image
    assert image is not None
    low, high = image.value_range
    with tempfile.TemporaryDirectory() as folder:
        models = {"float32": model, "float16": write_float16(model, Path(folder))}
        paths = {precision: each.path(each.spec.generator or "") for precision, each in models.items()}
        latents = probe(image, _COMPARED)
        expected = Generator(open_session(paths["float32"]), image).draw(latents)
        for precision, path in paths.items():
            session = open_session(path, stage.device)
            generator = Generator(session, image)
            distance = float(np.abs(generator.draw(latents) - expected).max()) / (high - low)
            differing = depends_on_batch(session, generator.feed(latents), session.outputs[0].name, ODD_SIZES)
            figures.add(f"images.{precision}.difference", NOW, distance)
            figures.add(f"images.{precision}.same_in_any_batch", NOW, float(differing is None))


def speed(stage: Stage, figures: Figures) -> None:
    """Let the device draw in batches, in a bare loop, served, and behind the gateway."""
    largest = max(stage.batches)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = write_float16(ModelRepository(MODELS).get(GAN_MODEL), folder)
        # As it is by default on a card.
        settings = {"runtime": "onnxruntime", "precision": "float32", "num_instances": "1", "threads_per_instance": "1"}
        bare = open_bare_loop(model, folder, largest, provider=stage.device, **settings)
        for size in stage.batches:
            name = f"speed.{size}.images_per_second"
            figures.add(name, "bare", bare.run(size, stage.seconds)["images_per_second"])
        settings |= {"models_dir": str(folder), "max_batch_size": str(largest)}
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        with service("services.gan", model.name, *flags) as server, gateway(server.port) as hop:
            for who, port in ((DIRECT, server.port), ("gateway", hop.port)):
                with open_tester(port, figures.audited_runs) as tester:
                    for size in stage.batches:
                        workload = parse_workload(f"images,images={size}", model=model.name)
                        # One image a request is to fill batches, too.
                        callers = largest if size == 1 else _CALLERS
                        run = tester.run(
                            f"{size} {who}",
                            workload,
                            ClosedLoop(concurrency=callers),
                            duration_seconds=stage.seconds,
                            warm_up_seconds=stage.seconds / 3,
                        )
                        figures.add(f"speed.{size}.images_per_second", who, run.measured.rates.outputs)
