"""`tandem score`: how likely the model finds a text, or an image given its class."""

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from tandem.cli.options import ADDRESS, Address, ModelName, Timeout
from tandem.cli.terminal import Terminal
from tandem.cli.use.output import token_line
from tandem.cli.use.texts import text_of_input
from tandem.client import Score, SequentialModel, TandemClient
from tandem.measure import formats

_images = partial(typer.Option, rich_help_panel="Images")
_texts = partial(typer.Option, rich_help_panel="Texts")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def score(
    terminal: Terminal,
    text: Annotated[str | None, typer.Argument(help="The text; - reads it from standard input.")] = None,
    image: Annotated[Path | None, _images(exists=True, dir_okay=False, help="Score this image instead.")] = None,
    label: Annotated[str | None, _images(help="The image's class, by name or number.")] = None,
    steps: Annotated[int | None, _images(min=1, help="The number of steps of the generation that is scored.")] = None,
    tokens_per_step: Annotated[
        int | None, _texts(min=1, max=64, help=r"Tokens drawn together, if the model can.  \[default: 1]")
    ] = None,
    context_tokens: Annotated[int, _texts(min=1, help="Tokens at the beginning that are given, and not scored.")] = 1,
    tokens: Annotated[bool, typer.Option("--tokens", help="A line a token, with its probability.")] = False,
    model: ModelName = "",
    timeout: Timeout = None,
    address: Address = ADDRESS,
) -> None:
    """Print the exact log-likelihood of a text, or of an image given its class, under a sequential model."""
    if (text is None) == (image is None):
        raise typer.BadParameter("give a text, or an image with --image", param_hint="TEXT")
    if (image is None) != (label is None):
        raise typer.BadParameter("--image and --label go together", param_hint="--label")
    with TandemClient(address) as client:
        if image is not None and label is not None:
            if (tokens_per_step, context_tokens) != (None, 1):
                words = "these are for texts: leave out --image and --label"
                raise typer.BadParameter(words, param_hint="--tokens-per-step, --context-tokens")
            result, condition = (
                _score_image(client, image, label=label, name=model, steps=steps, timeout=timeout),
                "given the class",
            )
        else:
            content = text_of_input() if text == "-" else text or ""
            if steps is not None:
                raise typer.BadParameter("steps are for images: give --image and --label", param_hint="--steps")
            how = {"tokens_per_step": tokens_per_step, "context_tokens": context_tokens}
            (result,) = client.score_many([content], model=model, timeout_seconds=timeout, **how)
            condition = f"behind a context of {context_tokens}"
        _print(terminal, result, condition, tokens)


def _score_image(
    client: TandemClient, file: Path, *, label: str, name: str, steps: int | None, timeout: float | None
) -> Score:
    model = _image_model(client, name, timeout, steps)
    pixels = _pixels(file, model.image_shape[2])
    (result,) = client.score_images(pixels, label, model=model.name, steps=steps, timeout_seconds=timeout)
    return result


def _image_model(client: TandemClient, name: str, timeout: float | None, steps: int | None) -> SequentialModel:
    """Return the image model called `name`; if it is empty, the one that the server takes. Raises BadParameter."""
    models = [model for model in client.list_sequential_models(timeout_seconds=timeout) if model.modality == "image"]
    chosen = [model for model in models if name in ("", model.name)]
    if len(chosen) > 1:
        chosen = [model for model in models if model.takes_steps == (steps is not None)]
    if len(chosen) == 1:
        return chosen[0]
    there_are = ", ".join(model.name for model in models) or "none"
    raise typer.BadParameter(f"name one of the sequential image models; there are: {there_are}", param_hint="--model")


def _pixels(file: Path, num_channels: int) -> NDArray[np.uint8]:
    try:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert(_MODES[num_channels]))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # whatever Pillow finds wrong
        raise typer.BadParameter(f"{file} is no image file that can be read", param_hint="--image") from None
    return pixels.reshape(1, *pixels.shape[:2], num_channels)


def _print(terminal: Terminal, result: Score, condition: str, tokens: bool) -> None:
    for token in result.tokens if tokens else ():
        terminal.out.print(token_line(token), soft_wrap=not terminal.is_interactive)
    lines = {
        "log-likelihood": f"{result.total_logprob:.4f} nats over {len(result.tokens)} tokens ({condition})",
        "bits per token": f"{result.bits_per_token:.4f}",
        "perplexity": f"{2**result.bits_per_token:.4g}",
    }
    for name, value in lines.items():
        typer.echo(f"{name:<16}{value}")
    terminal.note(f"scored in {formats.seconds(result.timings.prefill_seconds + result.timings.decode_seconds)}")
