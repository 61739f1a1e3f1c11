"""`tandem generate`: a text, streamed to the terminal as it is generated; with --label, images."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, cast

import typer

from tandem.cli.failures import right_command_named
from tandem.cli.options import ADDRESS, Address, ModelName, Timeout
from tandem.cli.terminal import Terminal
from tandem.cli.use.image_file import check_image_file
from tandem.cli.use.output import GrowingImages, Output, Texts, stream
from tandem.cli.use.texts import text_of, text_of_input
from tandem.client import GenerateOptions, Message, Prompt

NUM_ALTERNATIVES = 3
IMAGE_FILE = Path("out/image.png")
_images = partial(typer.Option, rich_help_panel="Images, with --label")
_sampling = partial(typer.Option, rich_help_panel="How tokens are chosen")
_constraint = partial(typer.Option, rich_help_panel="What the text has to match: one of these")


@dataclass(frozen=True)
class ImageOptions:
    """What to draw instead of writing a text, and where to."""

    label: Annotated[str | None, _images(help="Draw this class instead, by name or number.")] = None
    out: Annotated[
        Path | None, _images(dir_okay=False, help=rf"File for the images: PNG, JPEG or WebP.  \[default: {IMAGE_FILE}]")
    ] = None
    partial: Annotated[bool, _images("--partial", help="Show the image while it grows.")] = False
    steps: Annotated[
        int | None,
        _images(min=1, help=r"Number of steps to draw in, if the model takes steps.  \[default: one a token]"),
    ] = None


@dataclass(frozen=True)
class SamplingOptions:
    """Fields of GenerateOptions, under their names."""

    temperature: Annotated[
        float | None, _sampling(min=0, max=10, help=r"0: greedy.  \[default: what the model recommends, or 1]")
    ] = None
    top_k: Annotated[int | None, _sampling(min=0, help="0: all.")] = None
    top_p: Annotated[float | None, _sampling(min=0, max=1, help="Keep this much probability.")] = None
    min_p: Annotated[float | None, _sampling(min=0, max=1, help="Drop what is below this share of the best.")] = None
    repetition_penalty: Annotated[float | None, _sampling(min=0.01, max=10, help="1: none.")] = None
    presence_penalty: Annotated[float | None, _sampling(min=-2, max=2, help="0: none.")] = None
    frequency_penalty: Annotated[float | None, _sampling(min=-2, max=2, help="0: none.")] = None
    seed: Annotated[int | None, _sampling(min=0, help="Same seed, same output.")] = None
    tokens_per_step: Annotated[
        int | None, _sampling(min=1, max=64, help=r"Tokens of a text drawn together, if the model can.  \[default: 1]")
    ] = None
    stop: Annotated[list[str] | None, _sampling(help="End before this text; may be repeated.")] = None
    ignore_eos: Annotated[bool, _sampling("--ignore-eos", help="Go on past the model's end.")] = False
    speculative_tokens: Annotated[
        int | None, _sampling(min=0, max=64, help="The most tokens that a step may try ahead; the text is the same.")
    ] = None

    def as_asked(self) -> GenerateOptions:
        return cast(GenerateOptions, vars(self))


@dataclass(frozen=True)
class ConstraintOptions:
    """What the text has to match; the server refuses two at a time."""

    json_schema: Annotated[Path | None, _constraint(exists=True, dir_okay=False, help="A file with a JSON Schema.")] = (
        None
    )
    json_object: Annotated[bool, _constraint("--json-object", help="Any JSON object.")] = False
    regex: Annotated[str | None, _constraint(help="A regular expression.")] = None
    lark: Annotated[Path | None, _constraint(exists=True, dir_okay=False, help="A file with a grammar in Lark.")] = None
    choice: Annotated[list[str] | None, _constraint(help="One of these texts; repeat it.")] = None

    def as_asked(self) -> GenerateOptions:
        """Raises BadParameter if a file is not text."""
        return GenerateOptions(
            json_schema=None if self.json_schema is None else text_of(self.json_schema),
            json_object=self.json_object or None,
            regex=self.regex,
            lark=None if self.lark is None else text_of(self.lark),
            choice=self.choice or None,
        )


def generate(
    terminal: Terminal,
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
    named = right_command_named(address, model, is_sequential=True)
    with named:
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
