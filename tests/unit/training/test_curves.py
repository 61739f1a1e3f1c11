"""The image of a training's log."""

import json

from PIL import Image

from training import curves

LOG = [
    {"step": step, "slice_seconds": 1.0, "loss": 1.0 / step, "bits_per_token": 3.0}
    | ({"test_bits_per_token": 4.0, "psnr": 20.0} if step == 300 else {})
    for step in range(100, 500, 100)
]


def test_figures_of_one_unit_share_a_panel_and_what_has_no_unit_is_left_out():
    assert curves.panels(LOG) == {
        "loss": ["loss"],
        "bits_per_token": ["bits_per_token", "test_bits_per_token"],
        "psnr": ["psnr"],
    }


def test_the_command_writes_a_picture(tmp_path, monkeypatch):
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, LOG)))
    monkeypatch.setattr("sys.argv", ["curves", "--run", str(tmp_path), "--out", str(tmp_path / "curve.png")])
    curves.main()
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (800, 780)
