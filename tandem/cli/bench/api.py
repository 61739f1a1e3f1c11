"""`tandem bench run --api`: any server that speaks OpenAI's API or the Open Inference Protocol."""

from dataclasses import dataclass
from typing import Annotated

import typer

from tandem.measure.scenario import Api

_PANEL = "Any server by another API"


@dataclass(frozen=True)
class ApiOptions:
    """Which protocol is spoken, and the model of workloads that name none."""

    api: Annotated[
        Api,
        typer.Option(
            rich_help_panel=_PANEL,
            help=(
                "The API. openai: completions and images; openai-chat; both over HTTP, --address is HOST:PORT or"
                " a URL. oip: the Open Inference Protocol over gRPC, as Triton's vLLM backend names text. The key is"
                " TANDEM_API_KEY. Any server works; what only Tandem's servers report is left out."
            ),
        ),
    ] = "tandem"
    model: Annotated[
        str, typer.Option(rich_help_panel=_PANEL, help=r"Which model. \[default: the only one, or the first listed]")
    ] = ""
