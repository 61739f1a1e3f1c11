"""Which ways to run a model there are on this machine, as far as the wish leaves them open."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.runtimes import openvino_session
from services.common.runtimes.configuration import Configuration, Precision, RuntimeName, Wish
from services.common.runtimes.openvino_session import sizes_up_to, unmeasured
from services.common.runtimes.providers import ProviderError


def first_candidates(
    wish: Wish, num_cores: int, is_rewritten: bool, int8_is_rewritten: bool | None = None
) -> list[Configuration]:
    """Return a configuration for each runtime and precision: an instance a core, a thread each.

    `int8_is_rewritten` is None for a model without an int8 form.

    The graph is run in its rewritten form where it has one. That was faster in every runtime, and what is not measured
    cannot come out otherwise on another machine of the same kind, where it would give other bits. Raises ProviderError
    if what was asked for by name is not to be had here.
    """
    threads = wish.threads_per_instance or 1
    instances = wish.num_instances or max(1, num_cores // threads)
    return [
        _configuration(
            wish,
            runtime,
            precision,
            bool(int8_is_rewritten) if precision == "int8" else is_rewritten,
            instances,
            threads,
        )
        for runtime, precision in runtimes_and_precisions(wish, int8_is_rewritten is not None)
    ]


def other_divisions(wish: Wish, best: Configuration, num_cores: int) -> list[Configuration]:
    """Return the best configuration with the cores divided otherwise into instances and threads."""
    if wish.num_instances or wish.threads_per_instance:
        return []
    threads = [1 << bits for bits in range(1, num_cores.bit_length())]
    return [
        best.model_copy(update={"threads_per_instance": each, "num_instances": num_cores // each})
        for each in threads
        if num_cores % each == 0
    ]


def trial_sizes(max_batch_size: int) -> list[int]:
    """Return the batch sizes that configurations are compared at: one, a few and many images."""
    sizes = sizes_up_to(max_batch_size)
    return sorted({sizes[0], sizes[len(sizes) // 2], sizes[-1]})


def runtimes_and_precisions(wish: Wish, has_int8: bool = False) -> list[tuple[RuntimeName, Precision]]:
    """Return what the wish allows of what there is. Raises ProviderError if that is nothing."""
    there_are = list(_there_are(has_int8))
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


def _there_are(has_int8: bool) -> Iterator[tuple[RuntimeName, Precision]]:
    yield "onnxruntime", "float32"
    if openvino_session.is_installed():
        for precision in openvino_session.native_precisions():
            yield "openvino", precision
    if has_int8:
        yield "onnxruntime", "int8"
        if openvino_session.is_installed():
            yield "openvino", "int8"


def _configuration(
    wish: Wish, runtime: RuntimeName, precision: Precision, is_rewritten: bool, instances: int, threads: int
) -> Configuration:
    compiled = trial_sizes(wish.max_batch_size) if runtime == "openvino" else []
    return Configuration(
        runtime=runtime,
        precision=precision,
        is_rewritten=is_rewritten,
        num_instances=instances,
        threads_per_instance=threads,
        pass_seconds=unmeasured(compiled),
    )
