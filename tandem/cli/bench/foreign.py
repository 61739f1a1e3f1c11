"""What `tandem bench run` may ask instead of Tandem's own methods: by --api any server that speaks OpenAI's API or the
Open Inference Protocol, by --method any method of any gRPC server, with requests out of a file."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.bench.options import parse_workloads
from tandem.measure.scenario import Api, Workload
from tandem.measure.workload_text import METHOD_KEYS, parse_method

_api = partial(typer.Option, rich_help_panel="Any server by another API")
_method = partial(typer.Option, rich_help_panel="Any gRPC method")

Requests = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True)
class ApiOptions:
    """Which protocol is spoken, and the model of workloads that name none."""

    api: Annotated[
        Api,
        _api(
            help="The API. openai: completions and images; openai-chat; both over HTTP, --address is HOST:PORT or"
            " a URL. oip: the Open Inference Protocol over gRPC, as Triton's vLLM backend names text. The key is"
            " TANDEM_API_KEY. Any server works; what only Tandem's servers report is left out."
        ),
    ] = "tandem"
    model: Annotated[str, _api(help=r"Which model. \[default: the only one, or the first listed]")] = ""


@dataclass(frozen=True)
class MethodOptions:
    """A method to call instead of those of Tandem, and its requests."""

    method: Annotated[
        str | None,
        _method(
            metavar="PACKAGE.SERVICE/METHOD[,KEY=VALUE...]",
            help="Call this instead, unary or server-streaming, of any server; needs --data. KEY: "
            f"{', '.join(METHOD_KEYS)}, as for --workload.",
        ),
    ] = None
    data: Annotated[Path | None, _method(dir_okay=False, help="A request in JSON, or a list, sent in turn.")] = None
    proto: Annotated[
        Path | None,
        _method(
            dir_okay=False,
            help="The method's .proto file, or a descriptor set; without it the server is asked, by reflection.",
        ),
    ] = None

    async def workloads(
        self, address: str, texts: list[str] | None, api: ApiOptions
    ) -> tuple[tuple[Workload, ...], Requests]:
        """Return the workloads, and the serialised requests of those that are not drawn. Raises ValueError, OSError."""
        if self.method is None:
            if self.data is not None or self.proto is not None:
                raise typer.BadParameter("--data and --proto belong to --method, which is not given")
            return parse_workloads(texts, api.api, api.model), ()
        if texts:
            raise typer.BadParameter("give one of --workload and --method")
        if api != ApiOptions():
            raise typer.BadParameter("give one of --method and --api, --model")
        if self.data is None:
            raise typer.BadParameter("--method needs --data: a file with a request in JSON, or a list of them")
        from tandem.measure.generator.requests.methods import read_messages, read_method, reflect_method

        name = self.method.partition(",")[0]
        method = await reflect_method(address, name) if self.proto is None else read_method(self.proto, name)
        return (parse_method(self.method, method.delivery),), (read_messages(self.data, method),)
