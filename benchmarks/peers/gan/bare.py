"""The generator in a bare loop: what the cores can do with no server around it. Prints one JSON object.

    python -m benchmarks.peers.gan.bare --runtime onnxruntime --generator models/fashion-gan/generator.onnx

A session of one thread a core, each in a thread of its own. Of each batch size: images/s, CPU ms an image, and the
cores that other processes used. OpenVINO has static shapes, and bfloat16 where the processor computes in it.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.harness.cpu import machine_cpu
from benchmarks.peers.gan.generator import LATENT_DIM, NUM_CLASSES, Floats, Generator, Labels

BATCH_SIZES = (1, 8, 32, 64)
_WARM_UP_SECONDS = 0.1

Pass = Callable[[Floats, Labels], object]


def onnx_runtime(generator: Path, batch_size: int) -> Pass:
    return Generator(generator).run


def open_vino(generator: Path, batch_size: int) -> Pass:
    import openvino

    core = openvino.Core()
    model = core.read_model(generator)
    model.reshape({"latent": [batch_size, LATENT_DIM], "label": [batch_size]})
    is_native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hints = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # two models would be pinned to the same core
        "INFERENCE_PRECISION_HINT": "bf16" if is_native else "f32",
    }
    request = core.compile_model(model, "CPU", hints).create_infer_request()
    return lambda latents, labels: request.infer({"latent": latents, "label": labels}, share_inputs=True)


RUNTIMES = {"onnxruntime": onnx_runtime, "openvino": open_vino}


def measure(passes: list[Pass], batch_size: int, seconds: float) -> dict[str, float]:
    """Let every pass run in a loop of its own for so long."""
    source = np.random.default_rng(0)
    latents = source.standard_normal((batch_size, LATENT_DIM), dtype=np.float32)
    labels = source.integers(0, NUM_CLASSES, batch_size)
    for each in passes:
        _loop(each, latents, labels, time.perf_counter() + _WARM_UP_SECONDS)
    with ThreadPoolExecutor(len(passes)) as pool:
        machine = machine_cpu()
        started, cpu = time.perf_counter(), time.process_time()
        counts = list(pool.map(lambda each: _loop(each, latents, labels, started + seconds), passes))
        elapsed, used = time.perf_counter() - started, time.process_time() - cpu
    others = max(machine_cpu() - machine - used, 0.0) / elapsed
    num_images = sum(counts) * batch_size
    return {"images_per_second": num_images / elapsed, "cpu_ms": used / num_images * 1e3, "others_cores": others}


def _loop(run: Pass, latents: Floats, labels: Labels, ends_at: float) -> int:
    """Return how many passes ended in the time, at least one."""
    count = 0
    while not count or time.perf_counter() < ends_at:
        run(latents, labels)
        count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runtime", choices=sorted(RUNTIMES), required=True)
    parser.add_argument("--generator", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each batch size")
    options = parser.parse_args()
    found = {}
    for batch_size in BATCH_SIZES:
        passes = [RUNTIMES[options.runtime](options.generator, batch_size) for _ in range(os.cpu_count() or 1)]
        found[batch_size] = measure(passes, batch_size, options.seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
