"""OpenVINO on the CPU: a model compiled once for each batch size, and the sessions that run it.

With the batch size in the graph OpenVINO plans memory and kernels ahead. Other batches are split and filled up.

A small model is compiled for each session and computes in the thread that calls it, because handing a pass to a thread
of OpenVINO and hearing of its end takes a third of a millisecond, and a small image about twice that. The sessions of a
large model share its weights and OpenVINO's threads.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from services.common.runtimes.configuration import Precision
from services.common.runtimes.onnx_file import OnnxFile
from services.common.runtimes.session import Array, Feed, TensorInfo, num_rows
from tandem.shared.models import ModelError

LARGEST_COMPILED = 64
"""Beyond it a larger pass makes no image cheaper, but costs memory and compile time."""

# What each pass is taken to cost more than was measured, as a share of the smallest pass: threads must be woken, and
# measurements are uncertain. On a busy machine passes of 2 once seemed the cheapest, and 16 samples were eight passes.
_FURTHER_PASS = 0.5


def sizes_up_to(max_batch_size: int) -> tuple[int, ...]:
    """Return the batch sizes to compile for passes of up to `max_batch_size` samples.

    They are the powers of two, from 4 on what lies half way between them, and `max_batch_size`. Without those between,
    23 samples were four passes, each of which costs two wake-ups.
    """
    largest = min(max_batch_size, LARGEST_COMPILED)
    powers = {1 << bits for bits in range(largest.bit_length())}
    between = {3 * power // 2 for power in powers if power > 2 and 3 * power // 2 < largest}
    return tuple(sorted(powers | between | {largest}))


def unmeasured(sizes: Iterable[int]) -> dict[int, float]:
    """Return what passes may be thought to take before they were measured: each compiled size is one pass."""
    return {size: 1.0 + size for size in sizes}


class BatchPlan:
    """Splits batches by the seconds that a pass of each compiled size takes.

    A part smaller than its pass is filled up, so 33 samples may be one pass of 64, or one of 32 and one of 1.
    """

    def __init__(self, pass_seconds: Mapping[int, float]) -> None:
        self._pass_seconds = dict(sorted(pass_seconds.items()))
        self._largest = max(pass_seconds)
        self._splits = self._cheapest_splits()

    @property
    def sizes(self) -> Sequence[int]:
        """The compiled batch sizes, the smallest first."""
        return list(self._pass_seconds)

    def split(self, num_samples: int) -> Sequence[int]:
        """Return the sizes of the passes for so many samples, the largest first; only the last may be filled up."""
        num_whole = max(0, num_samples - 1) // self._largest
        return [self._largest] * num_whole + self._splits[num_samples - num_whole * self._largest]

    def _cheapest_splits(self) -> list[list[int]]:
        """Return the best split of each number of samples from 0 to the largest compiled size."""
        seconds, splits = [0.0], [[]]  # type: list[float], list[list[int]]
        further = _FURTHER_PASS * min(self._pass_seconds.values())
        costs = [(size, cost + further) for size, cost in self._pass_seconds.items()]
        for count in range(1, self._largest + 1):
            best, size = min((cost + seconds[max(0, count - size)], size) for size, cost in costs)
            seconds.append(best)
            splits.append(sorted([size, *splits[max(0, count - size)]], reverse=True))
        return splits


PROVIDER = "OpenVINO CPU"
_TYPES: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}
_MAX_SMALL_BYTES = 8 << 20


def is_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


@cache
def _openvino() -> Any:
    """Return the package, without the one that tells its makers of each start.

    That one forks the process to do so, beside threads that run, which has corrupted its memory.
    """
    # None lets the import of the module fail, which OpenVINO is prepared for.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def version() -> str:
    return str(_openvino().__version__)


@cache
def _core() -> Any:
    """Return OpenVINO's one core of this process; it holds its plugins, and no model."""
    return _openvino().Core()


def native_precisions() -> tuple[Precision, ...]:
    """Return what this processor computes in by instructions of its own, as OpenVINO says."""
    capabilities = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("float32", "bfloat16") if "BF16" in capabilities else ("float32",)


def _type_of(precision: Precision) -> str:
    """Return OpenVINO's name of what a model computes in, or of what the rest of a model in int8 does."""
    return _TYPES[native_precisions()[-1] if precision == "int8" else precision]


class OpenVinoModel:
    """A model that is compiled for some batch sizes, to run `num_instances` passes at a time."""

    def __init__(self, file: OnnxFile, precision: Precision, num_instances: int, threads_per_instance: int) -> None:
        self._file = file
        self._type = _type_of(precision)
        self._is_shared = len(file.content) > _MAX_SMALL_BYTES
        self._options = {
            "INFERENCE_PRECISION_HINT": self._type,
            "NUM_STREAMS": num_instances if self._is_shared else 0,  # 0: the thread that calls computes
            "INFERENCE_NUM_THREADS": threads_per_instance * (num_instances if self._is_shared else 1),
            "ENABLE_CPU_PINNING": False,  # so that the scheduler can move threads away from other processes
        }
        self._shared: dict[int, Any] = {}

    def session(self, plan: BatchPlan) -> OpenVinoSession:
        """Return a session. Raises ModelError if OpenVINO cannot run the model as asked."""
        compiled = {size: self._compiled(size) for size in plan.sizes}
        return OpenVinoSession(compiled, plan, self._file.inputs, self._file.outputs)

    def _compiled(self, batch_size: int) -> Any:
        if not self._is_shared:
            return self._compile(batch_size)
        if batch_size not in self._shared:
            self._shared[batch_size] = self._compile(batch_size)
        return self._shared[batch_size]

    def _compile(self, batch_size: int) -> Any:
        try:
            model = _core().read_model(self._file.content)
            model.reshape({each.name: _with_batch(each, batch_size) for each in self._file.inputs})
            compiled = _core().compile_model(model, "CPU", self._options)
        except Exception as error:  # OpenVINO raises RuntimeError for whatever it is
            raise ModelError(f"OpenVINO cannot run it: {_reason(error)}") from None
        if any(_is_free(each.get_partial_shape(), batch_size) for each in compiled.outputs):
            raise ModelError(f"OpenVINO finds no output shape [{batch_size}, ...] for it")
        got = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if got != self._type:
            raise ModelError(f"OpenVINO runs it in {got}, not in {self._type}")
        return compiled


class OpenVinoSession:
    """One instance of a compiled model; `run` may be called from any thread, one call at a time."""

    def __init__(
        self, compiled: Mapping[int, Any], plan: BatchPlan, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.providers = [PROVIDER]
        self._plan = plan
        self._passes = {size: _Pass(size, each, inputs, outputs) for size, each in compiled.items()}

    def run(self, feed: Feed, output_names: list[str]) -> list[Array]:
        """Return the outputs. Raises ModelError if the model fails."""
        count = num_rows(feed)
        sizes = self._plan.split(count)
        of_one = self._passes[sizes[0]].outputs
        results = {name: np.empty((count, *of_one[name].shape[1:]), of_one[name].dtype) for name in output_names}
        start = 0
        for size in sizes:
            rows = slice(start, min(start + size, count))
            self._passes[size].run(
                {name: each[rows] for name, each in feed.items()}, {name: each[rows] for name, each in results.items()}
            )
            start += size
        return list(results.values())


class _Pass:
    """A pass of one batch size. Keeps its tensors, as setting new ones takes longer than copying a few images."""

    def __init__(self, size: int, compiled: Any, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> None:
        self._size = size
        self._request = compiled.create_infer_request()
        self._inputs = {each.name: self._request.get_tensor(compiled.input(each.name)) for each in inputs}
        self.outputs = {each.name: self._request.get_tensor(compiled.output(each.name)).data for each in outputs}

    def run(self, feed: Feed, results: Mapping[str, Array]) -> None:
        """Fill `results`, of as many rows as the feed has, which may be fewer than the pass has."""
        for name, values in feed.items():
            rows = self._inputs[name].data
            if rows.shape[1:] != values.shape[1:]:  # free in the file
                self._inputs[name].shape = [self._size, *values.shape[1:]]
                rows = self._inputs[name].data
            rows[: len(values)] = values
            rows[len(values) :] = 0
        try:
            # Not `infer`, which besides makes a dictionary of all outputs in twice the time that this takes.
            self._request.start_async()
            self._request.wait()
        except Exception as error:  # OpenVINO raises RuntimeError for whatever it is
            given = ", ".join(f"{name} {list(values.shape)}" for name, values in feed.items())
            raise ModelError(f"fails on {given}: {_reason(error)}") from error
        for name, values in results.items():
            values[...] = self.outputs[name][: len(values)]


def _with_batch(tensor: TensorInfo, batch_size: int) -> list[int]:
    """Return an input's shape with the batch size in it; -1 stands for what else is free."""
    return [batch_size, *(each if isinstance(each, int) else -1 for each in tensor.shape[1:])]


def _is_free(shape: Any, batch_size: int) -> bool:
    return bool(shape.is_dynamic) or not len(shape) or shape[0].get_length() != batch_size


def _reason(error: Exception) -> str:
    """Return the last line of OpenVINO's message; those before it name files of its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
