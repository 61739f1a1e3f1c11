"""A prompt is the name of a class, or its number."""

import pytest

from gateway.protocols.openai.images import class_of
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument

MODEL = gan_pb2.Model(num_classes=3, class_names=["Coat", "Ankle boot", "2nd"], image_shape=[28, 32, 1])


@pytest.mark.parametrize(
    ("prompt", "label"), [("0", 0), (" 2 ", 2), ("coat", 0), ("ANKLE BOOT", 1), ("2nd", 2), ("", None), ("  ", None)]
)
def test_a_class_is_found(prompt: str, label: int | None) -> None:
    assert class_of(prompt, MODEL) == label


@pytest.mark.parametrize("prompt", ["3", "-1", "boot", "1.0", "\u0661", "9" * 5000])
def test_another_is_refused_and_those_that_there_are_named(prompt: str) -> None:
    with pytest.raises(InvalidArgument, match="0 to 2, or a name: Coat, Ankle boot, 2nd"):
        class_of(prompt, MODEL)


def test_a_model_without_classes_takes_no_prompt() -> None:
    assert class_of("", gan_pb2.Model()) is None
    with pytest.raises(InvalidArgument, match="has no classes"):
        class_of("a cat", gan_pb2.Model())
