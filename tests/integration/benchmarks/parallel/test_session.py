"""A whole round with real servers: every figure is there, and who draws other images is not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.harness.figures import NOW, Figures
from benchmarks.harness.generators import BareLoop, open_bare_loop
from benchmarks.harness.processes import ROOT
from benchmarks.parallel.__main__ import measure_rounds
from benchmarks.parallel.bars import ALONE, BULK, DIRECT, FP32, MANY, PLAIN, SOME
from benchmarks.parallel.contenders import Contender, Peers, tandem
from benchmarks.parallel.dialects import TANDEM
from tandem.shared.models import ModelRepository

GENERATOR = ROOT / "models/fashion-gan/generator.onnx"
# Long enough that even beside other tests a request of each load fits in.
SECONDS = 0.3


def measured(contenders: Sequence[Contender], bare: Sequence[BareLoop], folder: Path) -> Figures:
    figures = Figures(most_attempts=1)
    measure_rounds(contenders, bare, Peers(folder, GENERATOR), SECONDS, 1, figures)
    return figures


def test_every_contender_has_all_figures_of_all_loads(tmp_path: Path) -> None:
    direct, _ = tandem()
    plain = Peers(tmp_path, GENERATOR).set_up(PLAIN)
    model = ModelRepository(ROOT / "models").get("fashion-gan")
    bare = open_bare_loop(model, ROOT / "models", runtime="onnxruntime", precision="float32")
    figures = measured([direct, plain], [bare], tmp_path)
    assert figures.failures == []
    spreads = figures.spreads()
    for load in (ALONE, SOME, MANY, BULK):
        for figure in ("images_per_second", "p50_ms", "cpu_ms", "client_cpu_ms"):
            assert all(spreads[f"{load}.{figure}"][name].value > 0 for name in (DIRECT, PLAIN))
    assert spreads["levels_off"][DIRECT].value < 6  # in int8
    assert spreads["bare.64.images_per_second"][FP32].value > 0
    assert set(spreads["1x64.to_python_peer"]) == set(spreads["share_of_bare"]) == {NOW}


def test_who_draws_other_images_is_left_out_and_who_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    _, float32 = tandem()
    lies = replace(TANDEM, explicit=lambda latents, labels: TANDEM.explicit(-latents, labels))
    plain = Peers(tmp_path, Path("no-such-file.onnx")).set_up(PLAIN)
    found = measured([Contender("liar", lies, float32.start), plain], [], tmp_path)
    assert len(found.failures) == 2
    assert any("liar: other images came back" in failure for failure in found.failures)
    assert any("no-such-file.onnx" in failure for failure in found.failures)
    assert found.spreads() == {}
