"""`tandem score`: how likely the model finds a text."""

import sys
from typing import Annotated

import typer

from tandem.cli.failures import friendly_errors
from tandem.cli.options import ADDRESS, Address, ModelName, Timeout
from tandem.cli.terminal import Terminal, seconds_text
from tandem.cli.token_view import token_line
from tandem.client import TandemClient


def score(
    text: Annotated[str, typer.Argument(help="The text; - reads it from standard input.")],
    tokens: Annotated[bool, typer.Option("--tokens", help="A line a token, with its probability.")] = False,
    model: ModelName = "",
    timeout: Timeout = None,
    address: Address = ADDRESS,
) -> None:
    """Print the exact log-likelihood of a text under the sequential model."""
    terminal = Terminal()
    with friendly_errors(terminal, address), TandemClient(address) as client:
        result = client.score(sys.stdin.read() if text == "-" else text, model=model, timeout_seconds=timeout)
        for token in result.tokens if tokens else ():
            terminal.out.print(token_line(token), soft_wrap=not terminal.is_interactive)
        lines = {
            "log-likelihood": f"{result.total_logprob:.4f} nats over {len(result.tokens)} tokens (the first has none)",
            "bits per token": f"{result.bits_per_token:.4f}",
            "perplexity": f"{2**result.bits_per_token:.4g}",
        }
        for name, value in lines.items():
            typer.echo(f"{name:<16}{value}")
        terminal.note(f"prefill {seconds_text(result.timings.prefill_seconds)}")
