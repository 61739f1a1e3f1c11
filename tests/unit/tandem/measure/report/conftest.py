"""A folder of results as `tandem bench tradeoff` leaves it, of imagined services; every document is a real one."""

from __future__ import annotations

import asyncio
import base64
import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tandem.measure.generator.run import RunResult
from tandem.measure.results.comparison import Comparison, JudgedImages, Judgement, ModeResult
from tandem.measure.results.value import Phase, Phases
from tests.unit.tandem.measure.imagined_quality import judged_images
from tests.unit.tandem.measure.studies.comparison.seen import findings, made, trial
from tests.unit.tandem.measure.studies.fit.simulated import MACHINE, fit, usual


def quality(fid: float, accuracy: float, recall: float) -> JudgedImages:
    return judged_images(fid, 0.5, accuracy=accuracy, recall=recall)


def png() -> str:
    file = io.BytesIO()
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@cache
def a_comparison() -> Comparison:
    times = {"sequential_streamed": 0.064, "sequential_unary": 0.063, "parallel_streamed": 0.0017}
    trials = [
        (number, trial(name.replace("_", " "), callers, [seconds * callers**0.5] * 20))
        for number in range(2)
        for callers in (1, 4)
        for name, seconds in (*times.items(), ("parallel_unary", 0.0016))
    ]
    note = Judgement(reason="", data_set="d", num_test_images=9, judge="judge", judge_sha256="0")
    judged = {"sequential": quality(1.44, 0.881, 0.88), "parallel": quality(0.68, 0.925, 0.79)}
    document = made(findings(trials=trials, quality=judged, judgement=note))
    served = tuple(each.model_copy(update={"samples_png": png()}) for each in document.served)
    modes = tuple(_with_phases(mode) for mode in document.modes)
    return document.model_copy(update={"served": served, "modes": modes, "machine": MACHINE})


def _with_phases(mode: ModeResult) -> ModeResult:
    """Return the mode with what its servers told of the time; made by hand, those of `seen` do not."""
    first, *others = mode.curve
    whole = first.latency.seconds.mean or 0.0
    work = "decode" if mode.paradigm == "sequential" else "compute"
    shares = {"lateness": 0.0, "queue": 0.1, work: 0.6, "outside": 0.3}
    parts = {
        name: Phase(mean_seconds=share * whole, median_seconds=share * whole, around_p50_seconds=share * whole)
        for name, share in shares.items()
    }
    phases = Phases(count=41, latency_mean_seconds=whole, latency_around_p50_seconds=whole, parts=parts)
    return mode.model_copy(update={"curve": (first.model_copy(update={"phases": phases}), *others)})


def fill(folder: Path) -> None:
    """Write what a whole trade-off leaves."""
    (folder / "runs").mkdir()
    compared = a_comparison()

    def keep(name: str, run_result: RunResult) -> None:
        (folder / "runs" / f"{name}.json").write_text(run_result.document.model_dump_json())

    models = {"sequential": "ar", "parallel": "gan"}
    lengths: dict[str, Any] = {"climb_seconds": 6.0, "trial_seconds": 4.0, "num_trials": 8}
    found = asyncio.run(fit(usual(), compared, keep, models, **lengths))
    (folder / "comparison.json").write_text(compared.model_dump_json())
    (folder / "crossover.json").write_text(found.model_dump_json())


@pytest.fixture(scope="session")
def results(tmp_path_factory: Any) -> Path:
    """Read it, do not change it."""
    folder: Path = tmp_path_factory.mktemp("results")
    fill(folder)
    return folder
