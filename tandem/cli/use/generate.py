"""`tandem generate`: a text, streamed to the terminal as it is generated; with --label, images."""

from typing import Annotated

import typer

from tandem.cli.failures import friendly_errors, right_command_named
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address, ModelName, Timeout
from tandem.cli.terminal import Terminal
from tandem.cli.use.generate_options import IMAGE_FILE, ConstraintOptions, ImageOptions, SamplingOptions
from tandem.cli.use.image_file import check_image_file
from tandem.cli.use.output import GrowingImages, Output, Texts, stream
from tandem.cli.use.texts import text_of_input
from tandem.client import GenerateOptions, Message, Prompt

NUM_ALTERNATIVES = 3


@grouped
def generate(
    *,
    prompt: Annotated[
        str | None, typer.Argument(help="What to say to the model; - reads it from standard input.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Continue the text as it is, without the chat template.")] = False,
    system: Annotated[str, typer.Option(help="A system message before the prompt.")] = "",
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help=r"Most tokens.  \[default: 256, or the whole image]")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, max=16, help="How many texts or images.")] = 1,
    logprobs: Annotated[bool, typer.Option("--logprobs", help="A line a token, with its probability.")] = False,
    images: ImageOptions,
    sampling: SamplingOptions,
    constraint: ConstraintOptions,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print all timings.")] = False,
    model: ModelName = "",
    timeout: Timeout = None,
    address: Address = ADDRESS,
) -> None:
    """Stream a text from a sequential model, or with --label draw images, and say how long it took."""
    options = GenerateOptions(
        model=model,
        max_tokens=max_tokens,
        n=n,
        steps=images.steps,
        logprobs=logprobs,
        top_logprobs=NUM_ALTERNATIVES if logprobs else 0,
        raw=raw,
        timeout_seconds=timeout,
    )
    options |= sampling.as_asked() | constraint.as_asked()
    terminal = Terminal()
    named = right_command_named(address, model, is_sequential=True)
    with friendly_errors(terminal, address), named:
        if images.label is not None:
            if prompt is not None or raw or system:
                words = "images take no prompt: leave out the text, --raw and --system"
                raise typer.BadParameter(words, param_hint="--label")
            asked: Prompt | None = None
            output: Output = GrowingImages(terminal, check_image_file(images.out or IMAGE_FILE))
            options |= {"label": images.label, "image_encoding": "uint8", "partial_images": images.partial}
        else:
            _refuse_images(images)
            asked, output = _prompt(prompt, raw, system), Texts(terminal, options)
        stream(terminal, address, asked, options, output, is_full=verbose)


def _refuse_images(images: ImageOptions) -> None:
    for option, is_given in (("--out", images.out is not None), ("--partial", images.partial)):
        if is_given:
            raise typer.BadParameter("this is for images: give --label", param_hint=option)


def _prompt(text: str | None, raw: bool, system: str) -> Prompt:
    if text is None:
        raise typer.BadParameter("give a prompt, or --label for an image", param_hint="PROMPT")
    text = text_of_input() if text == "-" else text
    if raw and system:
        raise typer.BadParameter("a system message needs the chat template: leave out --raw", param_hint="--system")
    return [Message("system", system), Message("user", text)] if system else text
