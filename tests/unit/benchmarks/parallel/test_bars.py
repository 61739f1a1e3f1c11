"""How contenders of one round are compared, and what the bars demand of a processor."""

import math

import pytest

from benchmarks.parallel.bars import (
    DIRECT,
    EQUAL,
    MOSEC,
    MOSEC_INT8,
    NATIVE,
    PLAIN,
    TRITON,
    bars,
    compared,
)

_ROUND = {
    "1x64.images_per_second": {DIRECT: 3000.0, PLAIN: 1000.0, MOSEC: 2000.0, TRITON: 500.0, NATIVE: 4000.0},
    "1x16.images_per_second": {DIRECT: 1000.0, EQUAL: 600.0, MOSEC: 500.0, MOSEC_INT8: 800.0, NATIVE: 400.0},
    "1x1.p50_ms": {DIRECT: 1.0, PLAIN: 2.0, MOSEC: 4.0, NATIVE: 0.5},
    "64x4.images_per_second": {DIRECT: 3800.0},
    "1x64.cpu_ms": {DIRECT: 0.75},
    "bare.64.images_per_second": {"onnxruntime": 4000.0, "openvino": 20000.0},
    "bare.32.cpu_ms": {"onnxruntime": 0.5, "openvino": 0.125},
}


def test_the_best_of_the_peers_hosted_by_python_is_the_one_to_beat() -> None:
    found = compared(_ROUND, "onnxruntime")
    assert found["1x64.to_python_peer"] == 1.5
    assert found["p50_to_python_peer"] == 0.5


def test_the_others_are_compared_one_to_one() -> None:
    found = compared(_ROUND, "onnxruntime")
    assert found["1x64.to_native"] == 0.75
    assert found["p50_to_native"] == 2.0


def test_equal_terms_are_compared_beside_what_each_chooses() -> None:
    found = compared(_ROUND, "onnxruntime")
    assert found["1x16.to_python_peer"] == 2.0
    assert found["1x16.to_python_peer_float32"] == 1.2
    assert found["1x16.to_python_peer_int8"] == 1.25
    assert found["1x16.to_native_float32"] == 1.5


@pytest.mark.parametrize(
    ("runtime", "share", "over_fp32", "beyond"), [("onnxruntime", 0.95, 1, 0.25), ("openvino", 0.19, 5, 0.625)]
)
def test_the_bare_loop_is_that_of_the_runtime_in_use(
    runtime: str, share: float, over_fp32: float, beyond: float
) -> None:
    found = compared(_ROUND, runtime)
    assert found["share_of_bare"] == share
    assert found["runtime_to_fp32"] == over_fp32
    assert found["cpu_beyond_pass"] == beyond


def test_a_comparison_with_one_that_is_missing_is_no_figure() -> None:
    found = compared(_ROUND, "onnxruntime")
    assert math.isnan(found["64x4.to_python_peer"])
    assert math.isnan(found["64x4.to_native_float32"])
    assert all(math.isnan(value) for value in compared({}, "onnxruntime").values())


def test_every_bar_is_about_a_figure_that_a_round_gives() -> None:
    names = set(compared({}, "onnxruntime"))
    assert {name for bar in bars([]) for name in bar.figures} <= names


def test_a_processor_that_computes_in_bfloat16_must_do_more() -> None:
    def demanded(*instructions: str) -> float:
        return next(bar.bar for bar in bars(instructions) if bar.figures == ("runtime_to_fp32",))

    assert demanded("avx2", "avx512f") == 2
    assert demanded("avx512f", "avx512_bf16") == demanded("amx_bf16") == 4
