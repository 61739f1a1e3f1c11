"""Classes of images as people write them: by number, or by the names that a server lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from tandem.client.errors import InvalidArgument, NotFound
from tandem.client.models import ParallelModel, SequentialModel

Labels: TypeAlias = int | str | Sequence[int] | Sequence[str]
"""One class for all images, or one an image. Names count whatever their case; to look them up takes one more call."""


def has_names(labels: Labels | None) -> bool:
    """Return whether the labels are written as text, so that they must be looked up."""
    return labels is not None and np.asarray(labels).dtype.kind == "U"


def class_numbers(labels: Labels, model: str, models: Sequence[SequentialModel | ParallelModel]) -> int | list[int]:
    """Return the numbers of classes. `model`: the one that is asked, empty for any with classes in `models`.

    Raises NotFound if it is not among `models` or, without one, if those differ in their classes; InvalidArgument for
    a name that is none.
    """
    asked = [one for one in models if (one.name == model if model else one.num_classes)]
    there_are = ", ".join(one.name for one in models)
    if model and not asked:
        raise NotFound("NOT_FOUND", f"model: there is no {model!r}; there are: {there_are}")
    if len(lists := {one.class_names for one in asked}) > 1:
        raise NotFound("NOT_FOUND", f"model: name one of: {there_are}")
    names = next(iter(lists), ())
    numbers = [_number(str(label), names) for label in np.atleast_1d(labels)]
    return numbers[0] if isinstance(labels, str) else numbers


def _number(wanted: str, names: tuple[str, ...]) -> int:
    if wanted.isdecimal():
        return int(wanted)
    known = [name.casefold() for name in names]
    if wanted.casefold() not in known:
        there_are = ", ".join(names) or "none by name"
        raise InvalidArgument("INVALID_ARGUMENT", f"label: there is no class {wanted!r}; there are: {there_are}")
    return known.index(wanted.casefold())
