"""The table of an evaluation, with gates and without."""

from typing import Any

from tandem.cli.models.evaluation.table import evaluation_text
from tandem.measure.quality.gates import GATED_NUM_IMAGES, verdicts


def views(fid: float) -> dict[str, Any]:
    found = {
        "judge": {"value": fid, "low": fid - 0.05, "high": fid + 0.05, "method": "t", "count": 10_000},
        "pixels": {"value": fid / 10, "count": 10_000},
        "gradients": {"value": fid / 100, "count": 10_000},
    }
    return {name: {**each, "of_these": each["value"], "tenths": ()} for name, each in found.items()}


def figures(fid: float) -> dict[str, Any]:
    shares = dict.fromkeys(("accuracy", "precision", "recall", "density", "coverage"), 0.95)
    each = {"fid": fid, "variance_ratio": 0.9, "accuracy": 0.95, "memorised": 0.001}
    alike = {**each, "variance_ratio": 0.5}
    return {
        "num_images": GATED_NUM_IMAGES,
        "fid": fid,
        "worst_class_fid": 9.0,
        "kid": 0.01,
        "kid_std": 0.002,
        **shares,
        "memorised": 0.001,
        "worst_class_memorised": 0.002,
        "classes": [each, alike],
    }


def record(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "paradigm": "parallel",
        "seed": 1,
        "seeds": "image i is drawn from (seed, i)",
        "sampling": {"truncation": None},
        "own_verdict": {"num_of_each_kind": 2_000, "discriminator_auc": 0.75},
        "data_set": "Fashion-MNIST",
        "num_test_images": 10_000,
        "judge": {"name": "fashion-judge", "sha256": "0123456789abcdef"},
        "class_names": ["t-shirt", "ankle boot"],
        "model": figures(1.0),
        "floor": figures(0.1),
        "views": {"model": views(1.0), "floor": views(0.1), "tokenizer": None},
        "gates": verdicts(name, figures(1.0)),
        "notes": {"memorised": "what it means"},
    }


def shown(found: dict[str, Any]) -> list[str]:
    return evaluation_text(found).splitlines()


def row(lines: list[str], first_cell: str) -> list[str]:
    return next(cells for line in lines if (cells := [cell.strip() for cell in line.split("|")])[1:2] == [first_cell])


def test_model_floor_and_gate_stand_side_by_side_in_eighty_columns() -> None:
    lines = shown(record("fashion-gan"))
    assert row(lines, "FID") == ["", "FID", "1.000", "0.100", "<= 1.6: met", ""]
    assert row(lines, "worst class FID")[2:5] == ["9.00", "9.00", "**<= 8: missed**"]
    assert row(lines, "KID")[2:5] == ["0.0100 ± 0.0020", "0.0100 ± 0.0020", ""]
    assert row(lines, "ankle boot") == ["", "ankle boot", "1.00", "0.10", "0.50", "0.50", "0.950", "0.0010", ""]


def test_three_views_stand_beside_real_images_and_the_tokenizer() -> None:
    found = record("fashion-ar")
    assert row(shown(found), "fashion-ar")[2:5] == ["1 (0.95-1.05)", "0.1", "0.01"]
    assert row(shown(found), "as many real images")[2:5] == ["0.1 (0.05-0.15)", "0.01", "0.001"]
    assert "tokenizer's" not in "".join(shown(found))
    found["views"]["tokenizer"] = views(0.9)
    assert row(shown(found), "real images through fashion-ar's tokenizer")[2] == "0.9 (0.85-0.95)"


def test_what_the_model_itself_says_has_a_table_of_its_own() -> None:
    found = record("fashion-gan")
    assert row(shown(found), "discriminator auc") == ["", "discriminator auc", "0.750", ""]
    found["own_verdict"] = {}
    assert "itself" not in "".join(shown(found))
