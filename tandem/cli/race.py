"""`tandem race`: both paradigms, one after the other, through the same gateway; one table."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tandem.cli.failures import FAILED, friendly_errors
from tandem.cli.measurement import Finished, Measurement, Request, measure
from tandem.cli.options import ADDRESS, Address
from tandem.cli.race_table import NOTE, race_table
from tandem.cli.stopwatch import Stopwatch
from tandem.cli.terminal import Terminal
from tandem.client import AsyncTandemClient, Message

PROMPTS = (
    "Why is the sky blue?",
    "Write a short poem about a river.",
    "What is the difference between a cat and a dog?",
    "Explain how bread rises.",
    "Give me three tips for a good night's sleep.",
    "Describe a walk through a forest in autumn.",
    "What can one cook with potatoes and eggs?",
    "Tell me about the moon.",
)


@dataclass(frozen=True)
class Scenario:
    """How much of each to ask for, and by how many callers at a time."""

    texts: int
    images: int
    text_concurrency: int
    image_concurrency: int
    max_tokens: int
    images_per_request: int


def race(
    texts: Annotated[int, typer.Option(min=1, help="Text requests.")] = 16,
    images: Annotated[int, typer.Option(min=1, help="Image requests.")] = 512,
    text_concurrency: Annotated[int, typer.Option(min=1, help="Text requests at a time.")] = 4,
    image_concurrency: Annotated[int, typer.Option(min=1, help="Image requests at a time.")] = 16,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of each text.")] = 32,
    images_per_request: Annotated[int, typer.Option(min=1, help="Images of each request.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here.")] = None,
    address: Address = ADDRESS,
) -> None:
    """Time text and images through the gateway, one paradigm after the other, warm-up left out."""
    terminal = Terminal()
    scenario = Scenario(texts, images, text_concurrency, image_concurrency, max_tokens, images_per_request)
    with friendly_errors(terminal, address):
        measurements = asyncio.run(run_race(scenario, address, terminal))
        terminal.out.print(race_table(measurements))
        terminal.note(NOTE)
        if json_file is not None:
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(json.dumps([each.summary() for each in measurements], indent=2) + "\n")
    if any(each.errors for each in measurements):
        raise typer.Exit(FAILED)


async def run_race(scenario: Scenario, address: str, terminal: Terminal) -> list[Measurement]:
    """Return what was seen of each paradigm. Raises TandemRpcError if not even the warm-up gets through."""
    text = Measurement("sequential", "tokens", "Generate, streamed", scenario.text_concurrency)
    image = Measurement("parallel", "images", "Sample, unary", scenario.image_concurrency)
    async with AsyncTandemClient(address) as client:
        with _progress(terminal) as progress:
            for measurement, request, count in (
                (text, _text_request(client, scenario), scenario.texts),
                (image, _image_request(client, scenario), scenario.images),
            ):
                await _warm_up(request, measurement.concurrency)
                task = progress.add_task(measurement.name, total=count)
                await measure(measurement, request, count, lambda task=task: progress.advance(task))  # type: ignore[misc]
    return [text, image]


def _text_request(client: AsyncTandemClient, scenario: Scenario) -> Request:
    async def request(index: int) -> Finished:
        stopwatch = Stopwatch()
        prompt = [Message("user", PROMPTS[index % len(PROMPTS)])]
        options = {"max_tokens": scenario.max_tokens, "seed": index, "ignore_eos": True}
        async with client.generate(prompt, **options) as generation:  # type: ignore[arg-type]
            timings = None
            async for chunk in generation:
                stopwatch.tokens(len(chunk.token_ids))
                timings = chunk.timings or timings
            gateway = generation.gateway
        return Finished(
            num_outputs=stopwatch.num_tokens,
            first_output_seconds=stopwatch.first_output_seconds,
            gateway_seconds=gateway.gateway_seconds if gateway else None,
            backend_seconds=timings.total_seconds if timings else None,
        )

    return request


def _image_request(client: AsyncTandemClient, scenario: Scenario) -> Request:
    async def request(index: int) -> Finished:
        stopwatch = Stopwatch()
        images = await client.sample(scenario.images_per_request, seed=index)
        gateway = images.gateway
        return Finished(
            num_outputs=len(images),
            first_output_seconds=stopwatch.total_seconds(),
            gateway_seconds=gateway.gateway_seconds if gateway else None,
            backend_seconds=images.timings.total_seconds if images.timings else None,
        )

    return request


async def _warm_up(request: Callable[[int], Awaitable[Finished]], concurrency: int) -> None:
    await request(0)
    await asyncio.gather(*(request(index) for index in range(concurrency)))


def _progress(terminal: Terminal) -> Progress:
    columns = (TextColumn("{task.description:<11}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=terminal.err, transient=True, disable=not terminal.err.is_terminal)
