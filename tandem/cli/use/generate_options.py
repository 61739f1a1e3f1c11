"""The options of `tandem generate`, by what they are about."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import typer

from tandem.cli.use.texts import text_of
from tandem.client import GenerateOptions

IMAGE_FILE = Path("out/image.png")
_SAMPLING = "How tokens are chosen"
_IMAGES = "Images, with --label"
_CONSTRAINT = "What the text has to match: one of these"


@dataclass(frozen=True)
class ImageOptions:
    """What to draw instead of writing a text, and where to."""

    label: Annotated[
        str | None, typer.Option(help="Draw this class instead, by name or number.", rich_help_panel=_IMAGES)
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help=rf"File for the images: PNG, JPEG or WebP.  \[default: {IMAGE_FILE}]",
            rich_help_panel=_IMAGES,
        ),
    ] = None
    partial: Annotated[
        bool, typer.Option("--partial", help="Show the image while it grows.", rich_help_panel=_IMAGES)
    ] = False
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=r"Draw in so many steps, where the model takes steps.  \[default: one a token]",
            rich_help_panel=_IMAGES,
        ),
    ] = None


@dataclass(frozen=True)
class SamplingOptions:
    """Fields of GenerateOptions, under their names."""

    temperature: Annotated[
        float | None,
        typer.Option(
            min=0, max=10, help=r"0: greedy.  \[default: what the model recommends, or 1]", rich_help_panel=_SAMPLING
        ),
    ] = None
    top_k: Annotated[int | None, typer.Option(min=0, help="0: all.", rich_help_panel=_SAMPLING)] = None
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="Keep this much probability.", rich_help_panel=_SAMPLING)
    ] = None
    min_p: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Drop what is below this share of the best.", rich_help_panel=_SAMPLING),
    ] = None
    repetition_penalty: Annotated[
        float | None, typer.Option(min=0.01, max=10, help="1: none.", rich_help_panel=_SAMPLING)
    ] = None
    presence_penalty: Annotated[
        float | None, typer.Option(min=-2, max=2, help="0: none.", rich_help_panel=_SAMPLING)
    ] = None
    frequency_penalty: Annotated[
        float | None, typer.Option(min=-2, max=2, help="0: none.", rich_help_panel=_SAMPLING)
    ] = None
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same output.", rich_help_panel=_SAMPLING)] = None
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; may be repeated.", rich_help_panel=_SAMPLING)
    ] = None
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos", help="Go on past the model's end.", rich_help_panel=_SAMPLING)
    ] = False

    def as_asked(self) -> GenerateOptions:
        return cast(GenerateOptions, vars(self))


@dataclass(frozen=True)
class ConstraintOptions:
    """What the text has to match; the server refuses two at a time."""

    json_schema: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file with a JSON Schema.", rich_help_panel=_CONSTRAINT),
    ] = None
    json_object: Annotated[
        bool, typer.Option("--json-object", help="Any JSON object.", rich_help_panel=_CONSTRAINT)
    ] = False
    regex: Annotated[str | None, typer.Option(help="A regular expression.", rich_help_panel=_CONSTRAINT)] = None
    lark: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file with a grammar in Lark.", rich_help_panel=_CONSTRAINT),
    ] = None
    choice: Annotated[
        list[str] | None, typer.Option(help="One of these texts; repeat it.", rich_help_panel=_CONSTRAINT)
    ] = None

    def as_asked(self) -> GenerateOptions:
        """Raises BadParameter if a file is not text."""
        return GenerateOptions(
            json_schema=None if self.json_schema is None else text_of(self.json_schema),
            json_object=self.json_object or None,
            regex=self.regex,
            lark=None if self.lark is None else text_of(self.lark),
            choice=self.choice or None,
        )
