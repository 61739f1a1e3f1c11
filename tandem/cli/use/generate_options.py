"""The options of `tandem generate`, by what they are about."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, cast

import typer

from tandem.cli.use.texts import text_of
from tandem.client import GenerateOptions

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
