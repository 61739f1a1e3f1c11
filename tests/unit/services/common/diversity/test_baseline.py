import json

import pytest

from services.common.diversity.baseline import load_baseline
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelError

WHOLE = {
    "features": "pixels",
    "measured_for": {},
    "num_images": 10,
    "seed": 1,
    "alarm_variance_ratio": 0.75,
    "alarm_nearest_ratio": 0.25,
    "classes": [{"name": "cat", "variance": 1.0, "distance": 0.5}, {"name": "dog", "variance": 2.0, "distance": 0.5}],
}


def write(folder, **changes):
    path = folder / "diversity.json"
    path.write_text(json.dumps(WHOLE | changes))
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": "magic"}, "features"),
        ({"colour": 1}, "colour"),
        ({"classes": []}, "classes"),
        ({"classes": [{"name": "cat", "variance": 0.0, "distance": 1.0}]}, "variance"),
        ({"classes": [{"name": "cat", "variance": 1.0, "distance": float("nan")}]}, "distance"),
        ({"alarm_nearest_ratio": 1.0}, "alarm_nearest_ratio"),
        ({"classes": WHOLE["classes"][:1]}, "expected the classes cat, dog, found cat"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, changes, words):
    with pytest.raises(ModelError, match=words) as caught:
        load_baseline(write(tmp_path, **changes), ("cat", "dog"))
    assert "diversity.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def narrower(truncation: float, **changes):
    ratios = {name: WHOLE[name] for name in ("alarm_variance_ratio", "alarm_nearest_ratio", "classes")}
    return {"truncation": truncation, **ratios, **changes}


def test_a_truncation_is_held_against_the_next_narrower_one(tmp_path):
    baseline = load_baseline(write(tmp_path, truncated=[narrower(0.5), narrower(1.0)]), ("cat", "dog"))
    half, one = baseline.truncated
    assert baseline.yardstick_of(None) is baseline
    assert [baseline.yardstick_of(each) for each in (0.5, 0.7, 1.0, 3.0)] == [half, half, one, one]
    assert baseline.yardstick_of(0.49) is None
    assert load_baseline(write(tmp_path), ("cat", "dog")).yardstick_of(3.0) is None


def test_a_truncation_of_other_classes_is_refused(tmp_path):
    path = write(tmp_path, truncated=[narrower(0.5, classes=WHOLE["classes"][:1])])
    with pytest.raises(ModelError, match="expected the classes cat, dog, found cat"):
        load_baseline(path, ("cat", "dog"))


def test_files_that_were_not_measured_are_named(tmp_path):
    (tmp_path / "same.onnx").write_bytes(b"same")
    (tmp_path / "other.onnx").write_bytes(b"other")
    digest = sha256_of(tmp_path / "same.onnx")
    path = write(tmp_path, measured_for=dict.fromkeys(("same.onnx", "other.onnx", "gone.onnx"), digest))
    assert load_baseline(path, ("cat", "dog")).changed_files(tmp_path) == ["other.onnx", "gone.onnx"]
