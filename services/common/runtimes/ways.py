"""The ways to run a model on this machine: its forms, the configurations that the wish leaves open, and their sessions.

Knows nothing of which is best: see `calibrator`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.runtimes import openvino_session
from services.common.runtimes.configuration import Configuration, Precision, RuntimeName, Wish
from services.common.runtimes.onnx_file import OnnxFile
from services.common.runtimes.onnx_session import ProviderError, open_session
from services.common.runtimes.openvino_session import BatchPlan, OpenVinoModel, sizes_up_to, unmeasured
from services.common.runtimes.session import Session
from tandem.shared.models import ModelError


@dataclass(frozen=True)
class Forms:
    """The files of one model, each rewritten where that is exact. The one in int8 draws nearly what the other does.

    A rewritten one was faster in every runtime. What is not measured cannot come out otherwise on another machine of
    the same kind, where it would give other bits.
    """

    exact: OnnxFile
    int8: OnnxFile | None = None

    def of(self, precision: Precision) -> OnnxFile:
        """Return the file to run. Raises ModelError if there is none in int8."""
        if precision != "int8":
            return self.exact
        if self.int8 is None:
            raise ModelError("there is no int8 form of it")
        return self.int8

    def open(self, configuration: Configuration, num_spare: int = 0) -> Sequence[Session]:
        """Return the configuration's instances, on the CPU. Raises ModelError if the runtime cannot run the model so.

        Of OpenVINO there are `num_spare` more, so that the cores have work while an instance is between two passes.
        """
        file, count = self.of(configuration.precision), configuration.num_instances
        threads = configuration.threads_per_instance
        if configuration.runtime == "onnxruntime":
            return [open_session(file.path, "cpu", threads, file.content) for _ in range(count)]
        model = OpenVinoModel(file, configuration.precision, count, threads)
        plan = BatchPlan(configuration.pass_seconds)
        return [model.session(plan) for _ in range(count + num_spare)]


def first_candidates(wish: Wish, num_cores: int, forms: Forms) -> list[Configuration]:
    """Return a configuration for each runtime and precision: an instance a core, a thread each.

    Raises ProviderError if what was asked for by name is not to be had here.
    """
    threads = wish.threads_per_instance or 1
    sizes = unmeasured(trial_sizes(wish.max_batch_size))
    return [
        Configuration(
            runtime=runtime,
            precision=precision,
            is_rewritten=forms.of(precision).is_rewritten,
            num_instances=wish.num_instances or max(1, num_cores // threads),
            threads_per_instance=threads,
            pass_seconds=sizes if runtime == "openvino" else {},
        )
        for runtime, precision in runtimes_and_precisions(wish, forms.int8 is not None)
    ]


def other_divisions(wish: Wish, best: Configuration, num_cores: int) -> list[Configuration]:
    """Return the best configuration with the cores divided otherwise into instances and threads."""
    if wish.num_instances or wish.threads_per_instance:
        return []
    counts = (1 << bits for bits in range(1, num_cores.bit_length()))
    return [
        best.model_copy(update={"threads_per_instance": threads, "num_instances": num_cores // threads})
        for threads in counts
        if num_cores % threads == 0
    ]


def trial_sizes(max_batch_size: int) -> list[int]:
    """Return the batch sizes that configurations are compared at: one, a few and many images."""
    sizes = sizes_up_to(max_batch_size)
    return sorted({sizes[0], sizes[len(sizes) // 2], sizes[-1]})


def runtimes_and_precisions(wish: Wish, has_int8: bool = False) -> list[tuple[RuntimeName, Precision]]:
    """Return what the wish allows of what there is. Raises ProviderError if that is nothing."""
    native = openvino_session.native_precisions() if openvino_session.is_installed() else ()
    there_are: list[tuple[RuntimeName, Precision]] = [("onnxruntime", "float32")]
    there_are += [("openvino", precision) for precision in native]
    if has_int8:
        there_are += [("onnxruntime", "int8"), ("openvino", "int8")] if native else [("onnxruntime", "int8")]
    allowed = [
        (runtime, precision)
        for runtime, precision in there_are
        if wish.runtime in ("auto", runtime) and wish.precision in ("auto", precision)
    ]
    if not allowed:
        there = ", ".join(f"{runtime} in {precision}" for runtime, precision in there_are)
        asked = f"runtime {wish.runtime!r}, precision {wish.precision!r}"
        raise ProviderError(f"{asked}: not to be had here, where there is {there}")
    return allowed
