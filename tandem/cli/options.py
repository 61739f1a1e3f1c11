"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from tandem.client import DEFAULT_ADDRESS

Address = Annotated[
    str,
    typer.Option(envvar="TANDEM_ADDRESS", metavar="HOST:PORT", help="Where the gateway is.", rich_help_panel="Call"),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Give up after this time.", rich_help_panel="Call"),
]
ModelName = Annotated[
    str, typer.Option("--model", help="Which model, where there is more than one.", rich_help_panel="Call")
]
ModelsDir = Annotated[Path, typer.Option(help="The model repository: one folder a model.")]

ADDRESS = DEFAULT_ADDRESS
MODELS_DIR = Path("models")
JUDGE_DIR = MODELS_DIR / "fashion-judge"
