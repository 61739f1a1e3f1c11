"""`tandem generate`: a text, streamed to the terminal as it is generated."""

import sys
from typing import Annotated

import typer

from tandem.cli.failures import friendly_errors
from tandem.cli.options import ADDRESS, Address, ModelName, Timeout
from tandem.cli.stopwatch import Stopwatch
from tandem.cli.terminal import Terminal, seconds_text
from tandem.cli.token_view import token_line
from tandem.client import GatewayTimings, GenerateChunk, GenerateOptions, Message, Prompt, TandemClient

NUM_ALTERNATIVES = 3
_SAMPLING = "How tokens are chosen"


def generate(
    prompt: Annotated[str, typer.Argument(help="What to say to the model; - reads it from standard input.")],
    raw: Annotated[bool, typer.Option("--raw", help="Continue the text as it is, without the chat template.")] = False,
    system: Annotated[str, typer.Option(help="A system message before the prompt.")] = "",
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens to generate.  [default: 256]")] = None,
    logprobs: Annotated[bool, typer.Option("--logprobs", help="A line a token, with its probability.")] = False,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=10, help="0: greedy.  [default: 1]", rich_help_panel=_SAMPLING)
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=0, help="0: all.", rich_help_panel=_SAMPLING)] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="Keep this much probability.", rich_help_panel=_SAMPLING)
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Drop what is below this share of the best.", rich_help_panel=_SAMPLING),
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(min=0, max=10, help="1: none.", rich_help_panel=_SAMPLING)
    ] = None,
    presence_penalty: Annotated[
        float | None, typer.Option(min=-2, max=2, help="0: none.", rich_help_panel=_SAMPLING)
    ] = None,
    frequency_penalty: Annotated[
        float | None, typer.Option(min=-2, max=2, help="0: none.", rich_help_panel=_SAMPLING)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same text.", rich_help_panel=_SAMPLING)] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; may be repeated.", rich_help_panel=_SAMPLING)
    ] = None,
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos", help="Go on past the model's end.", rich_help_panel=_SAMPLING)
    ] = False,
    model: ModelName = "",
    timeout: Timeout = None,
    address: Address = ADDRESS,
) -> None:
    """Stream a text from the sequential model, and say where the time went."""
    options = GenerateOptions(
        model=model,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty,
        seed=seed,
        stop=stop,
        ignore_eos=ignore_eos,
        logprobs=logprobs,
        top_logprobs=NUM_ALTERNATIVES if logprobs else 0,
        timeout_seconds=timeout,
    )
    terminal = Terminal()
    with friendly_errors(terminal, address):
        _stream(terminal, address, _prompt(prompt, raw, system), options)


def _prompt(text: str, raw: bool, system: str) -> Prompt:
    text = sys.stdin.read() if text == "-" else text
    if raw:
        if system:
            raise typer.BadParameter("a system message needs the chat template: leave out --raw", param_hint="--system")
        return text
    return [*([Message("system", system)] if system else []), Message("user", text)]


def _stream(terminal: Terminal, address: str, prompt: Prompt, options: GenerateOptions) -> None:
    with TandemClient(address) as client:
        stopwatch = Stopwatch()
        last: GenerateChunk | None = None
        with client.generate(prompt, **options) as generation:
            for chunk in generation:
                stopwatch.tokens(len(chunk.token_ids))
                _show(terminal, chunk, bool(options.get("logprobs")))
                last = chunk
        if not options.get("logprobs"):
            terminal.write("\n")
        if last is not None:
            terminal.note(_summary(last, stopwatch, generation.gateway))


def _show(terminal: Terminal, chunk: GenerateChunk, logprobs: bool) -> None:
    if not logprobs:
        terminal.write(chunk.text)
    for token in chunk.logprobs:
        terminal.out.print(token_line(token), soft_wrap=not terminal.is_interactive)


def _summary(last: GenerateChunk, stopwatch: Stopwatch, gateway: GatewayTimings | None) -> str:
    parts = [f"{last.usage.output_tokens if last.usage else stopwatch.num_tokens} tokens"]
    if stopwatch.first_output_seconds is not None:
        parts.append(f"first token {seconds_text(stopwatch.first_output_seconds)}")
    if stopwatch.tokens_per_second is not None:
        parts.append(f"{stopwatch.tokens_per_second:.1f} tokens/s after it")
    if last.timings is not None:
        timings = last.timings
        phases = {"queue": timings.queue_seconds, "prefill": timings.prefill_seconds, "decode": timings.decode_seconds}
        parts += [f"{name} {seconds_text(seconds)}" for name, seconds in phases.items()]
    if gateway is not None:
        parts.append(f"gateway {seconds_text(gateway.gateway_seconds)}")
    if last.usage is not None:
        parts.append(f"seed {last.usage.seed}")
    if last.finish_reason is not None:
        parts.append(f"ended by {last.finish_reason}")
    return " · ".join(parts)
