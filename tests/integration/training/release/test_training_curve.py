"""The curve of a run of untrained generators, over few images that are invented."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from tandem.measure.quality import reference
from training.gan.networks import Generator
from training.release import training_curve

MODELS = Path(__file__).parents[4] / "models"


def test_each_snapshot_is_a_point_of_the_curve(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (1440, 28, 28), dtype=np.uint8)
    monkeypatch.setattr(reference, "load_split", lambda split: (pixels, np.arange(1440) % 10))
    monkeypatch.setattr(training_curve, "NUM_SAMPLES", 100)
    torch.manual_seed(0)
    for step in (1000, 2000):
        save_file(Generator().state_dict(), tmp_path / f"ema-{step:06d}.safetensors")
    losses = [{"step": step, "discriminator_loss": 1.0, "generator_loss": 0.5} for step in (1000, 2000)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in losses))
    options = ["--run", str(tmp_path), "--model", str(tmp_path), "--judge", str(MODELS / "fashion-judge/judge.onnx")]
    monkeypatch.setattr("sys.argv", ["training_curve", *options])
    training_curve.main()

    curve = json.loads((tmp_path / "curve.json").read_text())
    assert [point["step"] for point in curve["snapshots"]] == [1000, 2000]
    assert curve["num_samples"] == 100
    first, second = curve["snapshots"]
    assert first["fid"] != second["fid"]
    assert curve["real_train_images"]["fid"] < min(first["fid"], second["fid"])
    for point in (first, second, curve["real_train_images"]):
        assert all(0 <= point[share] <= 1 for share in ("accuracy", *training_curve.OVERLAP))
    assert (tmp_path / "curve.png").exists()
