"""What the parallel service must reach beside its peers, in figures that compare contenders of the same round."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping

from benchmarks.harness.figures import Bar

Round = Mapping[str, Mapping[str, float]]
"""What one round has measured, by figure and contender."""

Best = Callable[[Iterable[float]], float]

DIRECT = "Tandem's service, direct"
EQUAL = "Tandem's service, float32 in ONNX Runtime"
"""What peers compute with, so that what differs is the server alone."""
MOSEC_INT8 = "mosec, batches of 16, int8 in OpenVINO"
"""The peer that comes nearest, with the file, the runtime and the sizes of batches that are fastest here."""
PLAIN, MOSEC, TRITON, NATIVE = "plain grpc.aio", "mosec", "Triton, Python backend", "C++ reference"
PYTHON_HOSTED = (PLAIN, MOSEC, TRITON)
PEERS = (*PYTHON_HOSTED, NATIVE, MOSEC_INT8)
RATE, P50, CPU = "images_per_second", "p50_ms", "cpu_ms"
WORKLOADS = ((1, 1), (1, 16), (1, 64), (64, 4))
"""Images a request, and callers with one request at a time each."""
ALONE, SOME, MANY, BULK = (f"{images}x{callers}" for images, callers in WORKLOADS)
BATCH_SIZES = (1, 8, 32, 64)
"""Of the bare loops."""
FP32 = "onnxruntime"
"""The bare loop that the chosen runtime's is compared with."""

_SHARED_BATCH = 32  # MANY clients' images, shared by the two sessions of two cores


def compare_contenders(seen: Round, runtime: str) -> dict[str, float]:
    """Return how contenders stand to each other in one round; NaN where one is missing.

    `runtime` names the bare loop of the runtime that Tandem draws with.
    """
    compared_with = {
        "to_python_peer": (DIRECT, PYTHON_HOSTED),
        "to_python_peer_float32": (EQUAL, PYTHON_HOSTED),
        "to_native": (DIRECT, (NATIVE,)),
    }
    p50 = f"{ALONE}.{P50}"
    largest, shared = f"bare.{BATCH_SIZES[-1]}.{RATE}", f"bare.{_SHARED_BATCH}.{CPU}"
    return {
        **{
            f"{load}.{name}": _ratio(seen, f"{load}.{RATE}", who, others, max)
            for name, (who, others) in compared_with.items()
            for load in (ALONE, SOME, MANY, BULK)
        },
        "p50_to_python_peer": _ratio(seen, p50, DIRECT, PYTHON_HOSTED, min),
        "p50_to_python_peer_float32": _ratio(seen, p50, EQUAL, PYTHON_HOSTED, min),
        "share_of_bare": _value(seen, f"{BULK}.{RATE}", DIRECT) / _value(seen, largest, runtime),
        "runtime_to_fp32": _ratio(seen, largest, runtime, [FP32], max),
        "cpu_beyond_pass": _value(seen, f"{MANY}.{CPU}", DIRECT) - _value(seen, shared, runtime),
    }


def _value(seen: Round, figure: str, contender: str) -> float:
    return seen.get(figure, {}).get(contender, math.nan)


def _ratio(seen: Round, figure: str, contender: str, others: Collection[str], best: Best) -> float:
    """Return the contender's figure over the best of the others'; NaN without any of them."""
    found = [value for name, value in seen.get(figure, {}).items() if name in others]
    return _value(seen, figure, contender) / best(found) if found else math.nan


def bars(instructions: Collection[str]) -> tuple[Bar, ...]:
    """Return the bars for a processor with these instruction sets, as /proc/cpuinfo names them."""
    is_quick = not {"amx_bf16", "avx512_bf16"}.isdisjoint(instructions)
    some, many = "1 image per request, 16 clients: images/s", "1 image per request, 64 clients: images/s"
    return (
        Bar(f"{some}, as chosen", (f"{SOME}.to_python_peer",), 1.5, 2.5, "x", True),
        Bar(f"{some}, both float32", (f"{SOME}.to_python_peer_float32",), 1.5, 2.5, "x", True),
        Bar(f"{many}, as chosen", (f"{MANY}.to_python_peer",), 1.5, 2.5, "x", True),
        Bar(f"{many}, both float32", (f"{MANY}.to_python_peer_float32",), 1.5, 2.5, "x", True),
        Bar("1 client: p50, as chosen", ("p50_to_python_peer",), 0.8, 0.5, "x"),
        Bar("1 client: p50, both float32", ("p50_to_python_peer_float32",), 0.8, 0.5, "x"),
        Bar("64 images a request, 4 clients: share of the bare loop", ("share_of_bare",), 0.95, 0.98, "%", True),
        Bar("chosen runtime over fp32, bare, batch 64", ("runtime_to_fp32",), 4 if is_quick else 2, 6, "x", True),
        Bar("CPU beyond the pass, a request at 64 clients", ("cpu_beyond_pass",), 0.15, 0.1, "ms"),
    )
