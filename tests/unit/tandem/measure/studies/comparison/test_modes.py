"""Which two models are compared, of those that are served, and what they are asked for."""

from typing import Any

import pytest

from tandem.measure.lengths import Lengths
from tandem.measure.results.header import ServedModel
from tandem.measure.studies.comparison.modes import pair_of, work_of
from tests.unit.tandem.measure.studies.comparison.seen import model

AR, GAN = model("sequential", "ar"), model("parallel", "gan")
SAR, TEXT = model("sequential", "sar", takes_steps=True), model("sequential", "text", modality="text", image_shape=())
COLOUR = model("parallel", "colour", image_shape=(8, 8, 3), num_classes=0)


@pytest.mark.parametrize(
    ("served", "names", "expected"),
    [
        ((TEXT, AR, SAR, GAN, COLOUR), ("", ""), ("ar", "gan", True)),
        ((TEXT, SAR, GAN), ("", ""), ("sar", "gan", True)),
        ((AR, SAR, GAN), ("sar", ""), ("sar", "gan", True)),
        ((TEXT, AR, GAN), ("text", ""), ("text", "gan", False)),
        ((TEXT, COLOUR), ("", ""), ("text", "colour", False)),
        ((AR, COLOUR), ("", ""), ("ar", "colour", False)),
    ],
)
def test_the_matched_pair_is_chosen_and_else_the_only_one(
    served: tuple[ServedModel, ...], names: tuple[str, str], expected: tuple[str, str, bool]
) -> None:
    pair = pair_of(served, *names)
    assert (pair.sequential.name, pair.parallel.name, pair.is_matched) == expected


@pytest.mark.parametrize(
    ("served", "names", "told"),
    [
        ((GAN,), ("", ""), "no sequential model is served"),
        ((AR, GAN), ("none", ""), "'none' is not served; sequential models there: ar"),
        ((TEXT, AR, COLOUR), ("", ""), r"give --sequential-model \(text, ar\)$"),
        ((TEXT, GAN, COLOUR), ("", ""), r"give --parallel-model \(gan, colour\)$"),
    ],
)
def test_names_are_asked_for_where_the_choice_is_not_clear(
    served: tuple[ServedModel, ...], names: tuple[str, str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        pair_of(served, *names)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"image_shape": (8, 8, 1)}, "an image of 4x4 of a class and an image of 8x8 of a class"),
        ({"num_classes": 7}, "of 3 and of 7 classes"),
        ({"class_names": ("a", "b", "c")}, "classes without names and a, b, c"),
    ],
)
def test_images_that_differ_are_different_work(given: dict[str, Any], reason: str) -> None:
    assert pair_of((AR, model("parallel", "other", **given)), "", "").unmatched == f"unmatched work: {reason}"


def test_each_model_is_asked_for_its_own_work() -> None:
    text, _, image, _ = pair_of((TEXT, COLOUR), "", "").modes()
    assert (text.workload.kind, text.workload.output_tokens, text.has_images) == (
        "text",
        Lengths.model_validate(64),
        False,
    )
    assert (image.workload.kind, image.has_images) == ("images", True)
    assert [work_of(each).name for each in (TEXT, COLOUR, AR)] == [
        "a text of 64 tokens",
        "an image of 8x8x3",
        "an image of 4x4 of a class",
    ]
