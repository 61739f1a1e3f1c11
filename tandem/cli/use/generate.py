"""`tandem generate`: a text, streamed to the terminal as it is generated; with --label, images."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.errors import NoChatTemplate
from tandem.cli.failures import friendly_errors
from tandem.cli.options import ADDRESS, Address, ModelName, Timeout
from tandem.cli.terminal import Terminal
from tandem.cli.use.drawing import Drawing, draw
from tandem.cli.use.image_file import checked_image_file
from tandem.cli.use.right_command import right_command_named
from tandem.cli.use.texts import text_of, text_of_input, write_text
from tandem.client import GenerateOptions, InvalidArgument, Message, Prompt

NUM_ALTERNATIVES = 3
IMAGE_FILE = Path("out/image.png")
_SAMPLING = "How tokens are chosen"
_IMAGES = "Images, with --label"
_CONSTRAINT = "What the text has to match: one of these"


def generate(
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
    label: Annotated[
        str | None,
        typer.Option(help="Draw this class instead, by name or number.", rich_help_panel=_IMAGES),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help=rf"File for the images: PNG, JPEG or WebP.  \[default: {IMAGE_FILE}]",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Show the image while it grows.", rich_help_panel=_IMAGES)
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=r"Draw in so many steps, where the model takes steps.  \[default: one a token]",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=10,
            help=r"0: greedy.  \[default: what the model recommends, or 1]",
            rich_help_panel=_SAMPLING,
        ),
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=0, help="0: all.", rich_help_panel=_SAMPLING)] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="Keep this much probability.", rich_help_panel=_SAMPLING)
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Drop what is below this share of the best.", rich_help_panel=_SAMPLING),
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(min=0.01, max=10, help="1: none.", rich_help_panel=_SAMPLING)
    ] = None,
    presence_penalty: Annotated[
        float | None, typer.Option(min=-2, max=2, help="0: none.", rich_help_panel=_SAMPLING)
    ] = None,
    frequency_penalty: Annotated[
        float | None, typer.Option(min=-2, max=2, help="0: none.", rich_help_panel=_SAMPLING)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same output.", rich_help_panel=_SAMPLING)] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; may be repeated.", rich_help_panel=_SAMPLING)
    ] = None,
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos", help="Go on past the model's end.", rich_help_panel=_SAMPLING)
    ] = False,
    json_schema: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A file with a JSON Schema.",
            rich_help_panel=_CONSTRAINT,
        ),
    ] = None,
    json_object: Annotated[
        bool, typer.Option("--json-object", help="Any JSON object.", rich_help_panel=_CONSTRAINT)
    ] = False,
    regex: Annotated[str | None, typer.Option(help="A regular expression.", rich_help_panel=_CONSTRAINT)] = None,
    lark: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file with a grammar in Lark.", rich_help_panel=_CONSTRAINT),
    ] = None,
    choice: Annotated[
        list[str] | None, typer.Option(help="One of these texts; repeat it.", rich_help_panel=_CONSTRAINT)
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print all timings.")] = False,
    model: ModelName = "",
    timeout: Timeout = None,
    address: Address = ADDRESS,
) -> None:
    """Stream a text from a sequential model, or with --label draw images, and say how long it took."""
    options = GenerateOptions(
        model=model,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty,
        seed=seed,
        stop=stop,
        ignore_eos=ignore_eos,
        n=n,
        steps=steps,
        json_schema=None if json_schema is None else text_of(json_schema),
        json_object=json_object or None,
        regex=regex,
        lark=None if lark is None else text_of(lark),
        choice=choice or None,
        logprobs=logprobs,
        top_logprobs=NUM_ALTERNATIVES if logprobs else 0,
        timeout_seconds=timeout,
    )
    terminal = Terminal()
    named = right_command_named(address, model, is_sequential=True)
    with friendly_errors(terminal, address), named:
        if label is not None:
            _refuse_words(prompt, raw, system)
            file = checked_image_file(out or IMAGE_FILE)
            draw(terminal, address, Drawing(label, file, partial, verbose), options)
        else:
            _refuse_images(out, partial)
            _write(terminal, address, _prompt(prompt, raw, system), options, is_verbose=verbose)


def _write(terminal: Terminal, address: str, prompt: Prompt, options: GenerateOptions, *, is_verbose: bool) -> None:
    """Write the reply; a model without a chat template continues a prompt of one message."""
    try:
        write_text(terminal, address, prompt, options, is_verbose=is_verbose)
    except InvalidArgument as error:
        has_no_template = any(each.reason == NoChatTemplate.reason for each in error.violations)
        match prompt:
            case [Message(content=text)] if has_no_template:
                terminal.note("the model has no chat template, so it continues the prompt, as with --raw")
                write_text(terminal, address, text, options, is_verbose=is_verbose)
            case _:
                raise


def _refuse_words(prompt: str | None, raw: bool, system: str) -> None:
    if prompt is not None or raw or system:
        raise typer.BadParameter("images take no prompt: leave out the text, --raw and --system", param_hint="--label")


def _refuse_images(out: Path | None, partial: bool) -> None:
    for option, is_given in (("--out", out is not None), ("--partial", partial)):
        if is_given:
            raise typer.BadParameter("this is for images: give --label", param_hint=option)


def _prompt(text: str | None, raw: bool, system: str) -> Prompt:
    if text is None:
        raise typer.BadParameter("give a prompt, or --label for an image", param_hint="PROMPT")
    text = text_of_input() if text == "-" else text
    if raw:
        if system:
            raise typer.BadParameter("a system message needs the chat template: leave out --raw", param_hint="--system")
        return text
    return [*([Message("system", system)] if system else []), Message("user", text)]
