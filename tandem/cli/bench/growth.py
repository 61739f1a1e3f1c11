"""`tandem bench growth`: tokens/s against streams and context, the knee between them, and what drafts bring."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.bench.folder import exit_code, keep_document
from tandem.cli.bench.options import RESULTS_DIR, timestamp
from tandem.cli.bench.progress import stages
from tandem.cli.bench.showing import show_growth
from tandem.cli.failures import friendly_errors
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.results.files import check_writable
from tandem.measure.setting_errors import checked

if TYPE_CHECKING:
    from tandem.measure.results.growth import Growth, Server, Settings

_streams = partial(typer.Option, rich_help_panel="Streams")
_context = partial(typer.Option, rich_help_panel="Context")
_others = partial(typer.Option, rich_help_panel="Other servers")
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
    concurrencies: Annotated[str, _streams("--concurrency", metavar="N,N,...", help="Streams at a time.")] = (
        "1,2,4,8,16,32,48,64"
    )
    prompt_tokens: Annotated[int, _streams("--prompt", help="Tokens of their prompts.")] = 64
    new_tokens: Annotated[int, _streams("--tokens", help="New tokens of each.")] = 64
    contexts: Annotated[str, _context("--context", metavar="N,N,...", help="Tokens of a lone stream's prompt.")] = (
        "64,128,256,512,1024,2000"
    )
    context_new_tokens: Annotated[int, _context("--context-tokens", help="New tokens behind it.")] = 32
    draft_concurrencies: Annotated[
        str, _others("--draft-concurrency", metavar="N,N,...", help="Streams at a time to compare at.")
    ] = "1,8"
    draft_new_tokens: Annotated[int, _others("--draft-tokens", help="New tokens of each of them.")] = 96
    num_rounds: Annotated[int, typer.Option("--rounds", help="How often each point is measured.")] = 5
    seed: Annotated[int, typer.Option(help="Of prompts and order.")] = 0


@grouped
def growth(
    options: GrowthOptions,
    also: Annotated[
        list[str] | None,
        _others(
            metavar="ADDRESS=LABEL",
            callback=_named,
            help="A server of the same model with drafts (--speculative-tokens), to be compared; can be repeated.",
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
        is_interrupted, found = asyncio.run(_measured(servers, settings, terminal))
        is_kept = keep_document(found, file, terminal)
        show_growth(found, terminal)
        terminal.note(f"document: {file}")
    raise typer.Exit(exit_code(found, is_kept, is_interrupted))


async def _measured(servers: Sequence[Server], settings: Settings, terminal: Terminal) -> tuple[bool, Growth]:
    """Return whether Ctrl-C ended it, and what came of it. Raises TandemRpcError and ValueError."""
    from tandem.measure.studies.growth.measuring import measured

    with stages(terminal) as stage:
        found = await measured(servers, settings, stage.named, stage.stop)
    return stage.stop.is_set(), found
