"""`tandem bench growth`: tokens/s against streams and context, the knee between them, and what drafts bring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop
from rich.table import Table

from bench.load.files import check_writable
from tandem.cli.bench_measuring import keep_document
from tandem.cli.bench_options import RESULTS_DIR, timestamp
from tandem.cli.bench_stages import stages
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal, printable, seconds_text

if TYPE_CHECKING:
    from bench.growth.document import Figure, Growth, Server, Settings

_STREAMS, _CONTEXT, _DRAFTS = "Streams", "Context", "Other servers"
_PLAIN = "sequential"


def _named(texts: list[str] | None) -> list[str]:
    for text in texts or []:
        address, _, label = text.partition("=")
        if ":" not in address or not label:
            raise typer.BadParameter(f"{text!r} is not accepted: ADDRESS=LABEL, as 127.0.0.1:50061=drafts")
    return texts or []


def growth(
    model: Annotated[str, typer.Option(help="A sequential text model, where there is more than one.")] = "",
    concurrency: Annotated[
        str, typer.Option(metavar="N,N,...", help="Streams at a time.", rich_help_panel=_STREAMS)
    ] = "1,2,4,8,16,32,48,64",
    prompt: Annotated[int, typer.Option(help="Tokens of their prompts.", rich_help_panel=_STREAMS)] = 64,
    tokens: Annotated[int, typer.Option(help="New tokens of each.", rich_help_panel=_STREAMS)] = 64,
    context: Annotated[
        str, typer.Option(metavar="N,N,...", help="Tokens of a lone stream's prompt.", rich_help_panel=_CONTEXT)
    ] = "64,128,256,512,1024,2000",
    context_tokens: Annotated[int, typer.Option(help="New tokens behind it.", rich_help_panel=_CONTEXT)] = 32,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS=LABEL",
            callback=_named,
            help="A server of the same model with drafts (--speculative-tokens), to be compared; can be repeated.",
            rich_help_panel=_DRAFTS,
        ),
    ] = None,
    draft_concurrency: Annotated[
        str, typer.Option(metavar="N,N,...", help="Streams at a time to compare at.", rich_help_panel=_DRAFTS)
    ] = "1,8",
    draft_tokens: Annotated[int, typer.Option(help="New tokens of each of them.", rich_help_panel=_DRAFTS)] = 96,
    rounds: Annotated[int, typer.Option(help="How often each point is visited.")] = 5,
    seed: Annotated[int, typer.Option(help="Of prompts and order.")] = 0,
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
        from bench.growth.document import Server, settings_of

        settings = settings_of(
            {
                "model": model,
                "concurrencies": concurrency,
                "prompt_tokens": prompt,
                "new_tokens": tokens,
                "contexts": context,
                "context_new_tokens": context_tokens,
                "draft_concurrencies": draft_concurrency,
                "draft_new_tokens": draft_tokens,
                "num_rounds": rounds,
                "seed": seed,
            }
        )
        others = [Server(label=label, address=at) for at, _, label in (text.partition("=") for text in also or [])]
        servers = [Server(label=_PLAIN, address=address), *others]
        file = out or RESULTS_DIR / f"growth-{timestamp()}.json"
        check_writable(file)
        code = uvloop.run(_measured(servers, settings, file, terminal))
        terminal.note(f"document: {file}")
    if code:
        raise typer.Exit(code)


async def _measured(servers: Sequence[Server], settings: Settings, file: Path, terminal: Terminal) -> int:
    """Measure, keep and show; return the exit code. Raises TandemRpcError and ValueError."""
    from bench.growth.measuring import measured

    with stages(terminal) as stage:
        found = await measured(servers, settings, stage.named, stage.stop)
    is_kept = keep_document(found, file, terminal)
    show_growth(found, terminal)
    if stage.stop.is_set():
        return INTERRUPTED
    return FAILED if found.problems or not is_kept else 0


def show_growth(found: Growth, terminal: Terminal) -> None:
    """Print everything that matters, what is wrong last and loudly."""
    streams = Table("streams", "tokens/s, all generating", "tokens/s, whole", "a step", "first token")
    for each in found.concurrency:
        rates = (_rate(each.decode_tokens_per_second), _rate(each.whole_tokens_per_second))
        streams.add_row(f"{each.concurrency}", *rates, _time(each.step_seconds), _time(each.first_token_p50_seconds))
    contexts = Table("context", "first token", "prefill tokens/s", "a token", "decode tokens/s")
    for point in found.context:
        first, gap = _time(point.first_token_seconds), _time(point.gap_p50_seconds)
        rates = (_rate(point.prefill_tokens_per_second), _rate(point.decode_tokens_per_second))
        contexts.add_row(f"{point.context_tokens:,}", first, rates[0], gap, rates[1])
    for table in (streams, contexts):
        if table.row_count:
            terminal.out.print(table)
    for text in found.explanation:
        terminal.out.print(printable(text), markup=False, soft_wrap=True)
    for caveat in found.caveats:
        terminal.note(f"caveat: {printable(caveat)}")
    if found.is_partial:
        terminal.fail("PARTIAL: this measurement did not go to its end")
    for problem in found.problems:
        terminal.fail(printable(problem))


def _rate(value: Figure) -> str:
    return f"{value.median:,.4g} ({value.low:,.4g} to {value.high:,.4g})"


def _time(value: Figure) -> str:
    return seconds_text(value.median)
