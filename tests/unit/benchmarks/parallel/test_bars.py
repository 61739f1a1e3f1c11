"""How contenders of one round are compared, and what the bars demand of a processor."""

import math

import pytest

from benchmarks.parallel.bars import DIRECT, EQUAL, MOSEC, NATIVE, PLAIN, TRITON, bars, compare_contenders

_ROUND = {
    "1x64.images_per_second": {DIRECT: 3000.0, PLAIN: 1000.0, MOSEC: 2000.0, TRITON: 500.0, NATIVE: 4000.0},
    "1x16.images_per_second": {DIRECT: 1000.0, EQUAL: 600.0, MOSEC: 500.0, NATIVE: 400.0},
    "1x1.p50_ms": {DIRECT: 1.0, PLAIN: 2.0, MOSEC: 4.0, NATIVE: 0.5},
    "64x4.images_per_second": {DIRECT: 3800.0},
    "1x64.cpu_ms": {DIRECT: 0.75},
    "bare.64.images_per_second": {"onnxruntime": 4000.0, "openvino": 20000.0},
    "bare.32.cpu_ms": {"onnxruntime": 0.5, "openvino": 0.125},
}


@pytest.mark.parametrize(
    ("figure", "runtime", "expected"),
    [
        ("1x64.to_python_peer", "onnxruntime", 1.5),  # the best of them is the one to beat
        ("p50_to_python_peer", "onnxruntime", 0.5),
        ("1x64.to_native", "onnxruntime", 0.75),
        ("1x16.to_python_peer", "onnxruntime", 2.0),
        ("1x16.to_python_peer_float32", "onnxruntime", 1.2),
        ("1x16.to_native", "onnxruntime", 2.5),
        ("share_of_bare", "onnxruntime", 0.95),
        ("share_of_bare", "openvino", 0.19),
        ("runtime_to_fp32", "openvino", 5),
        ("cpu_beyond_pass", "openvino", 0.625),
        ("64x4.to_python_peer", "onnxruntime", math.nan),  # one of both is missing
        ("64x4.to_native", "onnxruntime", math.nan),
    ],
)
def test_contenders_of_a_round_are_compared(figure: str, runtime: str, expected: float) -> None:
    assert compare_contenders(_ROUND, runtime)[figure] == pytest.approx(expected, nan_ok=True)


def test_every_bar_is_about_a_figure_that_a_round_gives() -> None:
    names = set(compare_contenders({}, "onnxruntime"))
    assert {name for bar in bars([]) for name in bar.figures} <= names


def test_a_processor_that_computes_in_bfloat16_must_do_more() -> None:
    def demanded(*instructions: str) -> float:
        return next(bar.bar for bar in bars(instructions) if bar.figures == ("runtime_to_fp32",))

    assert demanded("avx2", "avx512f") == 2
    assert demanded("avx512f", "avx512_bf16") == demanded("amx_bf16") == 4
