"""Classes of image models as people write them: by name or by number."""

import typer

from tandem.client import SequentialModel, TandemClient


def class_number(wanted: str, names: tuple[str, ...]) -> int:
    """Return the number of a class; `names` are the model's own. Raises BadParameter, which lists them."""
    if wanted.isdecimal():
        return int(wanted)
    matches = [index for index, name in enumerate(names) if name.casefold() == wanted.casefold()]
    if not matches:
        there_are = ", ".join(names) or "no names, only numbers"
        raise typer.BadParameter(f"there is no class {wanted!r}; there are: {there_are}", param_hint="--label")
    return matches[0]


def sequential_image_model(
    client: TandemClient, name: str, timeout: float | None, steps: int | None
) -> SequentialModel:
    """Return the image model called `name`; if it is empty the only one, or the only one that takes steps, if `steps`
    are given, or none. Raises BadParameter.
    """
    models = [model for model in client.list_sequential_models(timeout_seconds=timeout) if model.modality == "image"]
    chosen = [model for model in models if name in ("", model.name)]
    if len(chosen) > 1:
        chosen = [model for model in models if model.takes_steps == (steps is not None)]
    if len(chosen) == 1:
        return chosen[0]
    if not models:
        raise typer.BadParameter("no sequential image model is served here", param_hint="--label")
    there_are = ", ".join(model.name for model in models)
    raise typer.BadParameter(f"name one of the sequential image models; there are: {there_are}", param_hint="--model")
