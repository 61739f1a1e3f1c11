"""`tandem generate`: a text, streamed to the terminal as it is generated; with --label, pictures."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.drawing import Drawing, draw
from tandem.cli.failures import friendly_errors
from tandem.cli.generation_summary import generation_summary
from tandem.cli.options import ADDRESS, Address, ModelName, Timeout
from tandem.cli.stopwatch import Stopwatch
from tandem.cli.terminal import Terminal
from tandem.cli.token_view import token_line
from tandem.client import GenerateChunk, GenerateOptions, Message, Prompt, TandemClient

NUM_ALTERNATIVES = 3
PICTURE_FILE = Path("out/picture.png")
_SAMPLING = "How tokens are chosen"
_PICTURES = "Pictures, with --label"


def generate(
    prompt: Annotated[
        str | None, typer.Argument(help="What to say to the model; - reads it from standard input.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Continue the text as it is, without the chat template.")] = False,
    system: Annotated[str, typer.Option(help="A system message before the prompt.")] = "",
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens.  [default: 256, or the whole picture]")
    ] = None,
    logprobs: Annotated[bool, typer.Option("--logprobs", help="A line a token, with its probability.")] = False,
    label: Annotated[
        str | None,
        typer.Option(help="Draw this class instead, by name or number.", rich_help_panel=_PICTURES),
    ] = None,
    out: Annotated[Path, typer.Option(dir_okay=False, help="Where they go.", rich_help_panel=_PICTURES)] = PICTURE_FILE,
    partial: Annotated[
        bool, typer.Option("--partial", help="Show the picture while it grows.", rich_help_panel=_PICTURES)
    ] = False,
    n: Annotated[int, typer.Option("--n", min=1, max=16, help="How many.", rich_help_panel=_PICTURES)] = 1,
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
        float | None, typer.Option(min=0.01, max=10, help="1: none.", rich_help_panel=_SAMPLING)
    ] = None,
    presence_penalty: Annotated[
        float | None, typer.Option(min=-2, max=2, help="0: none.", rich_help_panel=_SAMPLING)
    ] = None,
    frequency_penalty: Annotated[
        float | None, typer.Option(min=-2, max=2, help="0: none.", rich_help_panel=_SAMPLING)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same output.", rich_help_panel=_SAMPLING)] = None,
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
    """Stream a text from a sequential model, or let it draw a picture, and say where the time went."""
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
        n=n,
        logprobs=logprobs,
        top_logprobs=NUM_ALTERNATIVES if logprobs else 0,
        timeout_seconds=timeout,
    )
    terminal = Terminal()
    with friendly_errors(terminal, address):
        if label is not None:
            _refuse_words(prompt, raw, system)
            draw(terminal, address, Drawing(label, out, partial), options)
        else:
            _refuse_several(n)
            _stream(terminal, address, _prompt(prompt, raw, system), options)


def _refuse_words(prompt: str | None, raw: bool, system: str) -> None:
    if prompt is not None or raw or system:
        raise typer.BadParameter("a picture has no words: leave out prompt, --raw and --system", param_hint="--label")


def _refuse_several(n: int) -> None:
    if n != 1:
        raise typer.BadParameter("several at once are for pictures: give --label", param_hint="--n")


def _prompt(text: str | None, raw: bool, system: str) -> Prompt:
    if text is None:
        raise typer.BadParameter("give a prompt, or --label for a picture", param_hint="PROMPT")
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
            terminal.note(generation_summary(last, stopwatch))


def _show(terminal: Terminal, chunk: GenerateChunk, logprobs: bool) -> None:
    if not logprobs:
        terminal.write(chunk.text)
    for token in chunk.logprobs:
        terminal.out.print(token_line(token), soft_wrap=not terminal.is_interactive)
