"""Which snapshot is served."""

import json

import pytest

from training.refinement.export import best_step


def write_log(folder, *lines):
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_snapshot_nearest_to_the_validation_images_is_served(tmp_path):
    plain = {"step": 100, "restoration_loss": 0.1}
    measured = [
        {"step": s, "restored_fid": r, "drawn_fid": d} for s, r, d in ((1, 0.9, 1.0), (2, 0.6, 0.9), (3, 0.5, 1.1))
    ]
    write_log(tmp_path, plain, *measured)
    assert best_step(tmp_path) == 2


def test_without_a_snapshot_there_is_nothing_to_serve(tmp_path):
    write_log(tmp_path, {"step": 100, "restoration_loss": 0.1})
    with pytest.raises(SystemExit, match="measured no snapshot"):
        best_step(tmp_path)
