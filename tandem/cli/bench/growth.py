"""`tandem bench growth`: tokens/s against streams and context, the knee between them, and what drafts bring."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.bench.measuring import exit_code, keep_document
from tandem.cli.bench.options import RESULTS_DIR, timestamp
from tandem.cli.bench.showing import show_growth
from tandem.cli.bench.stages import stages
from tandem.cli.failures import friendly_errors
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.results.files import check_writable
from tandem.measure.setting_errors import checked

if TYPE_CHECKING:
    from tandem.measure.results.growth import Server, Settings

_STREAMS, _CONTEXT, _DRAFTS = "Streams", "Context", "Other servers"
_PLAIN = "sequential"


def _named(texts: list[str] | None) -> list[str]:
    for text in texts or []:
        address, _, label = text.partition("=")
        if ":" not in address or not label:
            raise typer.BadParameter(f"{text!r} is not accepted: ADDRESS=LABEL, as 127.0.0.1:50061=drafts")
    return texts or []


@dataclass(frozen=True)
class GrowthOptions:
    """Fields of tandem.measure.results.growth.Settings, as people give them."""

    model: Annotated[str, typer.Option(help="A sequential text model, where there is more than one.")] = ""
    concurrencies: Annotated[
        str, typer.Option("--concurrency", metavar="N,N,...", help="Streams at a time.", rich_help_panel=_STREAMS)
    ] = "1,2,4,8,16,32,48,64"
    prompt_tokens: Annotated[
        int, typer.Option("--prompt", help="Tokens of their prompts.", rich_help_panel=_STREAMS)
    ] = 64
    new_tokens: Annotated[int, typer.Option("--tokens", help="New tokens of each.", rich_help_panel=_STREAMS)] = 64
    contexts: Annotated[
        str,
        typer.Option(
            "--context", metavar="N,N,...", help="Tokens of a lone stream's prompt.", rich_help_panel=_CONTEXT
        ),
    ] = "64,128,256,512,1024,2000"
    context_new_tokens: Annotated[
        int, typer.Option("--context-tokens", help="New tokens behind it.", rich_help_panel=_CONTEXT)
    ] = 32
    draft_concurrencies: Annotated[
        str,
        typer.Option(
            "--draft-concurrency", metavar="N,N,...", help="Streams at a time to compare at.", rich_help_panel=_DRAFTS
        ),
    ] = "1,8"
    draft_new_tokens: Annotated[
        int, typer.Option("--draft-tokens", help="New tokens of each of them.", rich_help_panel=_DRAFTS)
    ] = 96
    num_rounds: Annotated[int, typer.Option("--rounds", help="How often each point is measured.")] = 5
    seed: Annotated[int, typer.Option(help="Of prompts and order.")] = 0


@grouped
def growth(
    options: GrowthOptions,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS=LABEL",
            callback=_named,
            help="A server of the same model with drafts (--speculative-tokens), to be compared; can be repeated.",
            rich_help_panel=_DRAFTS,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help=rf"The document.  \[default: {RESULTS_DIR}/growth-TIME.json]")
    ] = None,
    address: Address = ADDRESS,
) -> None:
    """Measure how the cost of generating in sequence grows, with the streams at a time and with the context.

    Finds the knee, where what streams share of a step costs as much as what each adds, and says why. With --also, what
    drafts bring: outputs are compared, and must be the same. Five rounds take some three minutes at 1,000 tokens/s.
    `tandem bench report` shows the document. Ends with 1 if anything failed, with 130 on Ctrl-C; what was measured is
    kept.
    """
    terminal = Terminal()
    with friendly_errors(terminal, address):
        need_packages("report", *REPORT_PACKAGES)
        from tandem.measure.results.growth import Server, Settings

        settings = checked(Settings, vars(options))
        others = [Server(label=label, address=at) for at, _, label in (text.partition("=") for text in also or [])]
        servers = [Server(label=_PLAIN, address=address), *others]
        file = out or RESULTS_DIR / f"growth-{timestamp()}.json"
        check_writable(file)
        code = asyncio.run(_measured(servers, settings, file, terminal))
        terminal.note(f"document: {file}")
    if code:
        raise typer.Exit(code)


async def _measured(servers: Sequence[Server], settings: Settings, file: Path, terminal: Terminal) -> int:
    """Measure, keep and show; return the exit code. Raises TandemRpcError and ValueError."""
    from tandem.measure.studies.growth.measuring import measured

    with stages(terminal) as stage:
        found = await measured(servers, settings, stage.named, stage.stop)
    is_kept = keep_document(found, file, terminal)
    show_growth(found, terminal)
    return exit_code(found, is_kept, stage.stop.is_set())
