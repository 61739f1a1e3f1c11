"""From a prompt to a class: models of images draw classes, and know no words besides their names."""

from __future__ import annotations

from typing import Any

from tandem.shared.errors import InvalidArgument


def class_of(prompt: str, model: Any) -> int | None:
    """Return the number of the class that a prompt names, None if it is empty. Raises InvalidArgument.

    `model` is a Model message of either service. Names count whatever their case.
    """
    wanted = prompt.strip()
    if not wanted:
        return None
    names = [name.casefold() for name in model.class_names]
    if wanted.casefold() in names:
        return names.index(wanted.casefold())
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= 9 and int(wanted) < model.num_classes:
        return int(wanted)
    if not model.num_classes:
        raise InvalidArgument("prompt", prompt, "nothing: this model has no classes")
    or_names = f", or a name: {', '.join(model.class_names)}" if model.class_names else ""
    raise InvalidArgument("prompt", prompt, f"a class, 0 to {model.num_classes - 1}{or_names}")


def check_size(size: str | None, model: Any) -> None:
    """Raise InvalidArgument for another size than the model's own."""
    height, width, _ = model.image_shape
    if size not in (None, "auto", f"{width}x{height}"):
        raise InvalidArgument("size", size, f"'{width}x{height}' or 'auto'")
