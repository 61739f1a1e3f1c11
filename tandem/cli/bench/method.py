"""`tandem bench run --method`: any method of any gRPC server, with requests out of a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.bench.api import ApiOptions
from tandem.cli.bench.options import parsed_workloads
from tandem.measure.scenario import Workload
from tandem.measure.workload_text import METHOD_KEYS, parse_method

_PANEL = "Any gRPC method"


@dataclass(frozen=True)
class MethodOptions:
    """A method to call instead of those of Tandem, and its requests."""

    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="PACKAGE.SERVICE/METHOD[,KEY=VALUE...]",
            rich_help_panel=_PANEL,
            help="Call this instead, unary or server-streaming, of any server; needs --data. KEY: "
            + ", ".join(METHOD_KEYS)
            + ", as for --workload.",
        ),
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(dir_okay=False, rich_help_panel=_PANEL, help="A request in JSON, or a list, sent in turn."),
    ] = None
    proto: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            rich_help_panel=_PANEL,
            help="The method's .proto file, or a descriptor set; without it the server is asked, by reflection.",
        ),
    ] = None

    async def workloads(
        self, address: str, texts: list[str] | None, api: ApiOptions
    ) -> tuple[tuple[Workload, ...], tuple[tuple[bytes, ...], ...]]:
        """Return the workloads, and the serialised requests of those that are not drawn. Raises ValueError, OSError."""
        if self.method is None:
            if self.data is not None or self.proto is not None:
                raise typer.BadParameter("--data and --proto belong to --method, which is not given")
            return parsed_workloads(texts, api.api, api.model), ()
        if texts:
            raise typer.BadParameter("give one of --workload and --method")
        if api != ApiOptions():
            raise typer.BadParameter("give one of --method and --api, --model")
        if self.data is None:
            raise typer.BadParameter("--method needs --data: a file with a request in JSON, or a list of them")
        return await self._workload(address, self.method, self.data)

    async def _workload(
        self, address: str, text: str, data: Path
    ) -> tuple[tuple[Workload, ...], tuple[tuple[bytes, ...], ...]]:
        from tandem.measure.generator.requests.methods import described, read_messages, reflected

        name = text.partition(",")[0]
        method = await reflected(address, name) if self.proto is None else described(self.proto, name)
        return (parse_method(text, method.delivery),), (read_messages(data, method),)
