"""Both services as processes on the device: how they start, what they answer, what they cost, alone and together."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.gpu.stage import Stage
from benchmarks.harness.backend import AR_MODEL, GAN_MODEL
from benchmarks.harness.figures import NOW, Figures
from benchmarks.harness.load import open_tester
from benchmarks.harness.processes import gateway, run_tandem, service
from tandem.client import TandemClient
from tandem.measure.results.colocation import Colocation
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.files import read_as
from tandem.measure.scenario import PARADIGMS, ClosedLoop
from tandem.measure.workload_text import parse_workload

SEQUENTIAL, PARALLEL = "services.ar", "services.gan"
_CALLERS = 64


@contextmanager
def started(stage: Stage, module: str, model: str) -> Iterator[tuple[float, TandemClient]]:
    """Start a service; yield the seconds until it served, and a client. Raises RuntimeError if it runs elsewhere."""
    began = time.monotonic()
    with service(module, model) as server, TandemClient(f"127.0.0.1:{server.port}") as client:
        seconds = time.monotonic() - began
        if module == SEQUENTIAL:
            (text,) = client.list_sequential_models()
            runs_on, wanted = f"{text.device.partition(':')[0]} {text.runtime}", "cuda cuda"
        else:
            (images,) = client.list_parallel_models()
            runs_on, wanted = images.providers[0], "CUDAExecutionProvider"
        if not stage.is_rehearsal and runs_on != wanted:
            raise RuntimeError(f"{model} runs on {runs_on}, not on {wanted}")
        yield seconds, client


def load(stage: Stage, figures: Figures) -> None:
    """Start each service with empty caches of kernels, and once more, and ask each time for the output of a seed."""
    outputs: dict[str, set[object]] = {paradigm: set() for paradigm in PARADIGMS}
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TRITON_CACHE_DIR": f"{folder}/triton", "CUDA_CACHE_PATH": f"{folder}/cuda"}
        for figure in ("load.cold_seconds", "load.again_seconds"):
            with started(stage, SEQUENTIAL, stage.text.name) as (seconds, client):
                text = client.complete("The capital of France is", seed=1, temperature=1.0, max_tokens=16)
            figures.add(figure, PARADIGMS[0], seconds)
            outputs[PARADIGMS[0]].add(text.choices[0].text)
            with started(stage, PARALLEL, GAN_MODEL) as (seconds, client):
                outputs[PARADIGMS[1]].add(client.sample(4, seed=1).pixels.tobytes())
            figures.add(figure, PARADIGMS[1], seconds)
    figures.add("load.same_again", NOW, float(all(len(found) == 1 for found in outputs.values())))


@contextmanager
def pair_of(stage: Stage, sequential: str) -> Iterator[str]:
    """Run a sequential model and the generator behind the gateway; yield its address."""
    with ExitStack() as stack:
        ar = stack.enter_context(service(SEQUENTIAL, sequential))
        gan = stack.enter_context(service(PARALLEL, GAN_MODEL))
        yield f"127.0.0.1:{stack.enter_context(gateway(gan.port, ar=[ar.port])).port}"


def ratio(stage: Stage, figures: Figures) -> None:
    """Compare the two ways to make an image, by callers at a time."""
    with tempfile.TemporaryDirectory() as folder, pair_of(stage, AR_MODEL) as address:
        file = Path(folder) / "comparison.json"
        amounts = ("--rounds", "2", "--callers", f"{_CALLERS}", "--trial", f"{stage.seconds / 3:g}")
        left_out = ("--no-control", "--quality-images", "0")
        run_tandem("bench", "compare", *amounts, *left_out, "--json", str(file), "--address", address)
        found = read_as(file, Comparison)
    rates = {
        (point.concurrency, mode.paradigm): point.figures["images_per_second"].value
        for mode in found.modes
        for point in mode.curve
        if mode.delivery == "unary"
    }
    for (callers, paradigm), rate in rates.items():
        figures.add(f"ratio.{callers}.images_per_second", paradigm, rate)
        if paradigm == PARADIGMS[1]:
            figures.add(f"ratio.{callers}.parallel_to_sequential", NOW, rate / rates[callers, PARADIGMS[0]])


def together(stage: Stage, figures: Figures) -> None:
    """Run texts and images at once, and say what is left of each."""
    with tempfile.TemporaryDirectory() as folder, pair_of(stage, stage.text.name) as address:
        trials = ("--rounds", "2", "--trial-seconds", f"{stage.seconds / 2:g}")
        run_tandem("bench", "colocation", *trials, "--out", folder, "--address", address)
        found = read_as(Path(folder) / "colocation.json", Colocation)
    for pairing in found.pairings:
        for paradigm, side in zip(PARADIGMS, (pairing.sequential, pairing.parallel), strict=True):
            for figure, value in side.ratios.items():
                figures.add(f"together.{figure}_to_alone", paradigm, value.value)


def joules(stage: Stage, figures: Figures) -> None:
    """Put load on one service at a time, and divide what the card has used by what came out."""
    before = stage.joules()
    time.sleep(stage.seconds)
    figures.add("joules.idle_watts", NOW, (stage.joules() - before) / stage.seconds)
    loads = {
        "token": (SEQUENTIAL, stage.text.name, "text,tokens=64", 0),
        "image in sequence": (SEQUENTIAL, AR_MODEL, "image,unary", 1),
        "image in parallel": (PARALLEL, GAN_MODEL, "images,images=64", 64),
    }
    for output, (module, model, workload, num_images) in loads.items():
        with service(module, model) as server, open_tester(server.port, figures.audited_runs) as tester:
            before = stage.joules()
            run = tester.run(
                output,
                parse_workload(workload, model=model),
                ClosedLoop(concurrency=_CALLERS),
                duration_seconds=stage.seconds,
            )
            spent = stage.joules() - before
            count = num_images * run.num_ok or int(run.rows["num_outputs"][run.is_ok].sum())  # of a text: tokens
            figures.add("joules.per_output", output, spent / count)
