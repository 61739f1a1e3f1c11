"""Which class and which model a command means, and what it says if it cannot tell."""

from types import SimpleNamespace
from typing import Any

import pytest
import typer

from tandem.cli.use.class_names import class_number, sequential_image_model


def client(*models: tuple[str, str], stepped: str = "") -> Any:
    """Return a client of a gateway that serves models of these names and modalities."""
    listed = [SimpleNamespace(name=name, modality=modality, takes_steps=name == stepped) for name, modality in models]
    return SimpleNamespace(list_sequential_models=lambda timeout_seconds: listed)


def test_a_class_is_found_by_its_name_in_any_case_or_by_its_number() -> None:
    assert (class_number("Bag", ("coat", "bag")), class_number("7", ())) == (1, 7)
    with pytest.raises(typer.BadParameter, match="there is no class 'hat'; there are: coat, bag"):
        class_number("hat", ("coat", "bag"))
    with pytest.raises(typer.BadParameter, match="no names, only numbers"):
        class_number("hat", ())


def test_the_only_image_model_needs_no_name() -> None:
    assert sequential_image_model(client(("a", "text"), ("b", "image")), "", None, None).name == "b"


def test_one_of_several_must_be_named() -> None:
    several = client(("a", "image"), ("b", "image"))
    assert sequential_image_model(several, "b", None, None).name == "b"
    for name in ("", "c"):
        with pytest.raises(typer.BadParameter, match="name one of the sequential image models; there are: a, b"):
            sequential_image_model(several, name, None, None)


@pytest.mark.parametrize(("steps", "expected"), [(None, "a"), (8, "b")])
def test_steps_tell_which_of_several_is_meant(steps: int | None, expected: str) -> None:
    several = client(("a", "image"), ("b", "image"), stepped="b")
    assert sequential_image_model(several, "", None, steps).name == expected


def test_where_there_is_none_that_is_said() -> None:
    with pytest.raises(typer.BadParameter, match="no sequential image model is served here"):
        sequential_image_model(client(("a", "text")), "a", None, None)
